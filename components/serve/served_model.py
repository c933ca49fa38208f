"""A model that answers: its process, and the tiles that wait for it, in batches of which two are on their way.

While the model works on one batch the next is being sent, so it need not wait for it. A batch is closed when it is
full, or when its first tile has waited long enough and the model would work on it at once: otherwise, what comes would
only wait there in more and smaller batches, which take more time.
"""

import asyncio
import concurrent.futures
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError, as_user_error
from components.predict.pushed_model import PushedModel
from components.records.source_image import as_png
from components.records.tile_pixels import TilePixels, model_pixels
from components.records.tile_record import Record
from components.registry.attachments import beside_model
from components.saved_model.answering import DECODED
from components.saved_model.asking import AskedModel, CannotAnswer, asked_model
from components.saved_model.checked_answers import as_probabilities
from components.serve.answer import DATATYPES
from components.serve.decoding import Decoding
from components.serve.maps_output import MapsOutput
from components.serve.message import MAPS
from components.serve.metrics import ServerMetrics
from components.serve.refusal import Refusal, not_now, unusable_tile
from components.serve.settings import ServeSettings
from components.serve.tile_checks import inputs_of
from components.serve.tile_queue import Answer, TileQueue, WaitingTile

_MASKED = "masked"  # the signature that answers as the model was scored
_BATCHES_ON_THEIR_WAY = 2
_MOST_OFF = 1e-5  # as push verifies
_IMAGES = ("rgb", "nir", "valid_mask")


class _How(NamedTuple):
    """How a model is asked about a batch."""

    with_maps: bool = False
    is_small: bool = False


_ALONE = _How()


class ServedModel:
    """A model and its queue; to be made and used in the event loop. `start` comes first, `end` last.

    Attributes:
      model, card: Where it is, and what it says of itself.
      inputs, outputs: The names that requests may give; `outputs` are those that a request without names gets.
      maps: What it says of places, for who asks for it by name.
      decoding: What checks its tiles, and decodes them where the model takes pixels.
      is_broken: Whether its process has ended, or answers what no such model answers.
      why_broken: One line for the log.
    """

    def __init__(self, model: PushedModel, settings: ServeSettings, metrics: ServerMetrics) -> None:
        self.model, self.card = model, model.card
        self.decoding, self.inputs = Decoding(model.card), inputs_of(model.card)
        left_out = {MAPS} | (set() if model.card.not_sure else {"not_sure"})
        self.outputs = tuple(name for name in DATATYPES if name not in left_out)
        self.maps = MapsOutput(model.card, settings)
        self.is_broken, self.why_broken = False, ""
        self._uri, self._settings, self._metrics = model.uri, settings, metrics
        self._threads = concurrent.futures.ThreadPoolExecutor(_BATCHES_ON_THEIR_WAY, "model")
        self._context = contextlib.ExitStack()
        self._asked: AskedModel | None = None
        self._waiting = TileQueue(settings, self.maps.most_at_once)
        self._came = asyncio.Event()
        self._free = asyncio.Semaphore(_BATCHES_ON_THEIR_WAY)
        self._batching: asyncio.Task[None] | None = None
        self._on_their_way: dict[asyncio.Task[None], bool] = {}  # batches, and whether each is small
        self._num_users, self._unused = 0, asyncio.Event()
        self._unused.set()

    async def start(self) -> None:
        """Loads the model in its process, after its files were compared with its card, and asks it once.

        Raises:
          DataError: if a file is not the one that was pushed, or the model cannot be loaded, cannot answer, or answers
        pixels otherwise than files.
        """
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._load)
        except BaseException:
            await self.end()
            raise
        self._batching = asyncio.create_task(self._send_batches())

    def _load(self) -> None:
        limit = self._settings.answer_seconds
        # Loading takes longer than a batch does, and is bounded by the default.
        self._asked = self._context.enter_context(
            asked_model(self._uri, self.card.files, beside=beside_model(self.card))
        )
        self._asked.arguments(_MASKED)
        self.decoding.look(self._asked)
        self.maps.look(self._asked)
        self._asked.limit_seconds = limit
        grey = np.full((64, 64, 3), 128, np.uint8)
        grey[::2] = 90
        tile = Record("", "", as_png(grey), as_png(grey[..., :1]) if "nir" in self.inputs else b"", b"", (), ())
        try:
            of_file = of_pixels = self._ask([tile])["probabilities"]
            if self.decoding.gives_pixels:
                of_pixels = self._ask([model_pixels(tile, 1, self.card.image_size_px)])["probabilities"]
        except CannotAnswer as error:
            raise DataError(f"model {self.card.version} cannot answer a tile of noise: {error}") from error
        off = np.abs(of_pixels - of_file).max()
        if off > _MOST_OFF:
            raise DataError(
                f"model {self.card.version} answers the pixels of a tile {off:.2g} off its file, expected at most "
                f"{_MOST_OFF:.0e}"
            )

    @contextlib.contextmanager
    def in_use(self) -> Iterator["ServedModel"]:
        """Keeps the model until the context ends, even if another takes its place meanwhile."""
        self._num_users += 1
        self._unused.clear()
        try:
            yield self
        finally:
            self._num_users -= 1
            if not self._num_users:
                self._unused.set()

    async def answer(
        self, tiles: Sequence[Record | TilePixels], num_pixels: Sequence[int], *, with_maps: bool = False
    ) -> dict[str, NDArray[Any]]:
        """Returns the model's outputs for some tiles, [N, C] each. Who is cancelled gives up the tiles' places.

        Args:
          num_pixels: Of each tile.
          with_maps: Whether maps are wanted as well, [N, h, w, C].

        Raises:
          Refusal: if the model does not take a tile, or breaks down.
        """
        loop = asyncio.get_running_loop()
        waiting = [
            WaitingTile(tile, pixels, with_maps, loop.create_future(), loop.time())
            for tile, pixels in zip(tiles, num_pixels, strict=True)
        ]
        self._waiting.extend(waiting)
        self._came.set()
        self._metrics.queue_tiles.inc(len(waiting))
        try:
            answers = await asyncio.gather(*(each.answered for each in waiting))
        finally:
            for each in waiting:
                each.answered.cancel()
            self._metrics.queue_tiles.dec(len(waiting))
        return {name: np.stack([answer[name] for answer in answers]) for name in answers[0]}

    async def end(self, *, at_once: bool = False) -> None:
        """Ends its process as soon as nobody uses it; `at_once` gives up what was asked."""
        if not at_once:
            await self._unused.wait()
        if self._batching is not None:
            self._batching.cancel()
        await asyncio.to_thread(self._context.close)
        if self._on_their_way:
            await asyncio.wait([*self._on_their_way])
        self._threads.shutdown(wait=False)

    def look(self) -> None:
        """Notices that its process has ended while nobody asked it."""
        if self._asked is not None and not self._asked.is_running and not self.is_broken:
            self._break("its process has ended")

    async def _send_batches(self) -> None:
        while True:
            await self._free.acquire()
            batch = await self._next_batch()
            is_small = self._waiting.is_small(batch)
            task = asyncio.create_task(self._send(batch, is_small))
            self._on_their_way[task] = is_small
            task.add_done_callback(self._came_back)

    def _came_back(self, batch: asyncio.Task[None]) -> None:
        del self._on_their_way[batch]
        self._came.set()

    async def _next_batch(self) -> list[WaitingTile]:
        loop, most_seconds = asyncio.get_running_loop(), self._settings.batch_wait_ms / 1000
        while True:
            self._waiting.forget_the_gone()
            left = None
            if self._waiting:
                if self._waiting.is_enough():
                    return self._waiting.take()
                if self._would_begin():
                    left = self._waiting[0].since + most_seconds - loop.time()
                    if left <= 0:
                        return self._waiting.take()
            self._came.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._came.wait()

    def _would_begin(self) -> bool:
        """Tells whether the model would begin at once with what waits now."""
        return all(self._on_their_way.values()) and (not self._on_their_way or self._waiting.is_small(self._waiting))

    async def _send(self, batch: Sequence[WaitingTile], is_small: bool) -> None:
        try:
            replies = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._ask_each, [each.tile for each in batch], _How(batch[0].wants_maps, is_small)
            )
        except Exception as error:  # a defect, too, must not leave those without an answer who wait for one
            self._break(str(as_user_error(error) or f"{type(error).__name__}: {error}"))
            broken = not_now(f"the model {self.card.version} has broken down and is started anew", "no_model")
            replies = [broken] * len(batch)
        finally:
            self._free.release()
        self._metrics.batch_tiles.observe(len(batch))
        for each, reply in zip(batch, replies, strict=True):
            if each.answered.done():
                continue
            if isinstance(reply, Refusal):
                each.answered.set_exception(reply)
            else:
                each.answered.set_result(reply)

    def _break(self, why: str) -> None:
        if not self.is_broken:
            self.is_broken, self.why_broken = True, why

    def _ask_each(self, tiles: Sequence[Record | TilePixels], how: _How) -> list[Answer | Refusal]:
        """Returns the model's answers, or for a tile that it does not take the reason.

        Files and pixels go to two signatures. Few tiles are files where most are pixels, so that it matters little that
        a batch may be divided.
        """
        replies: dict[int, Answer | Refusal] = {}
        for kind in (Record, TilePixels):
            places = [place for place, tile in enumerate(tiles) if isinstance(tile, kind)]
            if places:
                replies |= zip(places, self._replies([tiles[place] for place in places], how), strict=True)
        return [replies[place] for place in range(len(tiles))]

    def _replies(self, tiles: Sequence[Record | TilePixels], how: _How) -> list[Answer | Refusal]:
        """Returns the same for tiles of one kind."""
        try:
            results = self._ask(tiles, how)
        except CannotAnswer:
            if len(tiles) == 1:
                # What TensorFlow says of it is no text for a client.
                return [unusable_tile(f"the model {self.card.version} cannot answer this tile; is it damaged?")]
            return [reply for tile in tiles for reply in self._replies([tile], how)]
        return [{name: array[row] for name, array in results.items()} for row in range(len(tiles))]

    def _ask(self, tiles: Sequence[Record | TilePixels], how: _How = _ALONE) -> Mapping[str, NDArray[Any]]:
        shape = len(tiles), len(self.card.classes)
        results = self._results(tiles, how)
        if not np.isfinite(as_probabilities(results, *shape, self._uri)).all():
            raise DataError(f"model {self.card.version} gives probabilities that are not finite")
        kinds: dict[str, type] = {"predicted": np.bool_, "not_sure": np.bool_, "class_names": np.object_}
        for name, kind in kinds.items():
            found = results.get(name)
            if name in self.outputs and (found is None or found.shape != shape or found.dtype != kind):
                raise DataError(f"model {self.card.version} must answer {name} for {shape[1]} classes of each tile")
        if (results["class_names"] != [each.encode() for each in self.card.classes]).any():
            raise DataError(f"model {self.card.version} names other classes than its card")
        answers = {name: results[name] for name in self.outputs}
        return answers | {MAPS: self.maps.checked(results, len(tiles), self._uri)} if how.with_maps else answers

    def _results(self, tiles: Sequence[Record | TilePixels], how: _How) -> Mapping[str, NDArray[Any]]:
        assert self._asked is not None
        if isinstance(tiles[0], TilePixels):
            arrays = {
                name: np.stack([getattr(each, name) for each in tiles])
                for name in TilePixels._fields
                if getattr(tiles[0], name) is not None
            }
            return self._asked.ask_pixels(DECODED, arrays, is_small=how.is_small)
        function = self.maps.signature if how.with_maps else _MASKED
        return self._asked.ask(function, {name: [getattr(each, name) for each in tiles] for name in _IMAGES})
