"""Answers an inference request: reads it, checks its tiles, asks the model, and notes what came of it."""

import asyncio
import concurrent.futures
import contextlib
import os
import time
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from components.serve.admission import Admission, HeldBytes
from components.serve.answer import HEADER, encode_answer
from components.serve.body import read_body
from components.serve.decoding import CheckedInput
from components.serve.drift.windows import Windows
from components.serve.following import Following
from components.serve.message import MAPS, InferenceRequest, parse_request
from components.serve.metrics import ServerMetrics
from components.serve.refusal import Refusal
from components.serve.served_model import ServedModel
from components.serve.settings import ServeSettings
from components.serve.tile_checks import check_image_headers

_SMALL_BODY = 256 << 10  # bytes that are parsed at once, without a thread
_HUNG_UP = 499  # as nginx counts a client that did not wait for its answer
_T = TypeVar("_T")


class Inference:
    """What answers tiles. `num_requests` of its admission tells how many requests are on their way."""

    def __init__(self, following: Following, settings: ServeSettings, metrics: ServerMetrics, windows: Windows) -> None:
        self.admission = Admission(settings, metrics)
        self._following, self._settings, self._metrics = following, settings, metrics
        self._windows = windows
        self._threads = concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1, "check")

    async def respond(self, request: Request, model: Callable[[], ServedModel]) -> Response:
        """Returns the answer to a request.

        Args:
          model: Returns the model that is asked.

        Raises:
          Refusal: if there is none.
        """
        started = time.monotonic()
        code, why = _HUNG_UP, "hung_up"
        try:
            response = await self._answered(request, model)
            code, why = response.status_code, ""
            return response
        except Refusal as refusal:
            code, why = int(refusal.status), refusal.why
            raise
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.NO_CONTENT)  # nobody is there to read it
        finally:
            self._metrics.requests.labels(str(code)).inc()
            if why:
                self._metrics.refused.labels(why).inc()
            self._metrics.seconds.observe(time.monotonic() - started)

    async def _answered(self, request: Request, model: Callable[[], ServedModel]) -> Response:
        with self.admission.request() as held:
            body, json_bytes = await read_body(request, held, self._settings)
            with model().in_use() as used:
                return await _unless_hung_up(request, self._ask(body, json_bytes, used, held))

    async def _ask(self, body: bytes, json_bytes: int | None, model: ServedModel, held: HeldBytes) -> Response:
        settings, most = self._settings, self._settings.request_tiles
        is_small = len(body) <= _SMALL_BODY

        async def done(function: Callable[..., _T], *arguments: Any) -> _T:
            return function(*arguments) if is_small else await self._in_thread(function, *arguments)

        asked = await done(parse_request, body, json_bytes, model.inputs, model.outputs, most)
        with_maps = MAPS in asked.outputs
        if with_maps:
            held.add(model.maps.answer_bytes(asked.num_tiles, asked.outputs[MAPS]))
        with self.admission.tiles(asked.num_tiles):
            limits = settings.tile_pixels, settings.request_pixels
            num_pixels = await done(check_image_headers, asked.images, model.decoding.checks, *limits)
            with self.admission.pixels(sum(num_pixels)):
                checked = await self._checked(asked, model, with_maps)
                results = await model.answer([each.tile for each in checked], num_pixels, with_maps=with_maps)
        self._windows.add(model.card, [each.band_histogram for each in checked], results)
        about = settings.name, model.card.version, asked.id, results, asked.outputs
        encoded = await self._in_thread(encode_answer, *about) if with_maps else encode_answer(*about)
        if encoded.json_bytes is None:
            return Response(encoded.body, media_type="application/json")
        headers = {HEADER: str(encoded.json_bytes)}
        return Response(encoded.body, media_type="application/octet-stream", headers=headers)

    async def _checked(self, asked: InferenceRequest, model: ServedModel, with_maps: bool) -> list[CheckedInput]:
        """Returns what the model is asked about each tile, and what its bands are like."""

        def check(number: int) -> CheckedInput:
            files = {name: contents[number] for name, contents in asked.images.items()}
            return model.decoding.check(files, number, as_files=with_maps)

        checks = [self._in_thread(check, number) for number in range(asked.num_tiles)]
        try:
            return await asyncio.gather(*checks)
        finally:
            for each in checks:
                each.cancel()

    def _in_thread(self, function: Callable[..., _T], *arguments: Any) -> "asyncio.Future[_T]":
        return asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


async def _unless_hung_up(request: Request, work: Coroutine[Any, Any, Response]) -> Response:
    """Returns what the work returns; cancels it as soon as the client hangs up.

    Raises:
      ClientDisconnect: if it does.
    """
    answer = asyncio.create_task(work)
    hung_up = asyncio.create_task(_hung_up(request))
    try:
        await asyncio.wait({answer, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        raise ClientDisconnect
    finally:
        for task in (answer, hung_up):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Refusal):
                await task


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
