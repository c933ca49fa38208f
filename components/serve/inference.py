"""Answers an inference request: reads it, checks its tiles, asks the model, and notes what came of it."""

import asyncio
import concurrent.futures
import contextlib
import os
import time
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from components.records.tile_record import Record
from components.serve.admission import Admission, HeldBytes
from components.serve.answer import HEADER, encode_answer
from components.serve.body import read_body
from components.serve.drift.windows import Windows
from components.serve.following import Following
from components.serve.message import parse_request
from components.serve.metrics import ServerMetrics
from components.serve.refusal import Refusal
from components.serve.served_model import ServedModel
from components.serve.settings import ServeSettings
from components.serve.tile_checks import check_tile_files

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
        most = self._settings.request_tiles
        if len(body) <= _SMALL_BODY:
            asked = parse_request(body, json_bytes, model.inputs, model.outputs, most)
        else:
            asked = await self._in_thread(parse_request, body, json_bytes, model.inputs, model.outputs, most)
        with self.admission.tiles(asked.num_tiles):
            images, pixels = asked.images, self._settings.tile_pixels

            def check(number: int) -> tuple[Record, NDArray[np.int64]]:
                files = {name: contents[number] for name, contents in images.items()}
                checked = check_tile_files(files, number, model.checks, pixels)
                return checked.record, checked.band_histogram  # not the copy that a shard would hold

            checks = [self._in_thread(check, number) for number in range(asked.num_tiles)]
            try:
                checked = await asyncio.gather(*checks)
            finally:
                for each in checks:
                    each.cancel()
            results = await model.answer([record for record, _ in checked])
        self._windows.add(model.card, [histogram for _, histogram in checked], results)
        name = self._settings.name
        encoded = encode_answer(name, model.card.version, asked.id, results, asked.outputs)
        if encoded.json_bytes is None:
            return Response(encoded.body, media_type="application/json")
        headers = {HEADER: str(encoded.json_bytes)}
        return Response(encoded.body, media_type="application/octet-stream", headers=headers)

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
