"""Keeps a model answering: loads the one that is wanted beside the old one, and lets it take the old one's place.

A version that cannot be loaded is told once, and the old one stays. A model whose process has ended is started anew,
after a pause that doubles while that goes on.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from components.errors import as_user_error
from components.predict.pushed_model import PushedModel
from components.serve.metrics import ServerMetrics
from components.serve.refusal import not_now
from components.serve.served_model import ServedModel
from components.serve.settings import ServeSettings
from components.serve.wanted_model import WantedModel

_LOOK_SECONDS = 0.25  # between two looks at the model's process
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 120.0


class Following:
    """The model that answers now, and the work that keeps it so.

    Attributes:
      is_ending: Whether no further request is accepted.
    """

    def __init__(
        self, wanted: WantedModel, settings: ServeSettings, metrics: ServerMetrics, say: Callable[[str], None]
    ) -> None:
        self.is_ending = False
        self._wanted, self._settings, self._metrics, self._say = wanted, settings, metrics, say
        self._current: ServedModel | None = None
        self._retired: dict[ServedModel, asyncio.Task[None]] = {}
        self._told = ""  # the last failure, which is told once

    @property
    def has_begun(self) -> bool:
        """Whether a first model was loaded."""
        return self._current is not None

    @property
    def is_ready(self) -> bool:
        """Whether a request would be answered."""
        return self._current is not None and not self._current.is_broken and not self.is_ending

    def model(self) -> ServedModel:
        """Returns the model that answers now.

        Raises:
          Refusal: if there is none.
        """
        if self.is_ending:
            refusal = not_now("the server is ending; ask another", "ending")
            refusal.headers["Connection"] = "close"
            raise refusal
        if self._current is None:
            raise not_now("no model is loaded yet", "no_model")
        if self._current.is_broken:
            raise not_now(f"the model {self._current.card.version} is started anew", "no_model")
        return self._current

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator["Following"]:
        """Loads the first model, and follows until the context ends; then ends all models.

        Raises:
          AgrivisionError: if the first model cannot be loaded.
        """
        await self._replace(await asyncio.to_thread(self._wanted.find))
        task = asyncio.create_task(self._follow())
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self._answering.end(at_once=True)
            for retired, ending in [*self._retired.items()]:
                ending.cancel()
                await retired.end(at_once=True)

    async def _follow(self) -> None:
        pause = 0.0
        while True:
            was_broken = await self._until_due(pause)
            try:
                model = await self._model_to_load(was_broken)
                if was_broken or model.card.version != self._answering.card.version:
                    await self._replace(model)
                self._told = ""
                # One that breaks down again and again is not started anew without a pause.
                pause = _longer(pause) if was_broken else 0.0
            except Exception as error:  # a defect, too, must not end what answers well
                self._metrics.load_failures.inc()
                who = "nothing answers" if was_broken else f"{self._answering.card.version} stays"
                self._tell(f"{who}: {_line_of(error)}")
                pause = _longer(pause)

    async def _model_to_load(self, was_broken: bool) -> PushedModel:
        """Returns the model that is wanted; while nobody can tell which, one that has broken down is wanted again."""
        try:
            return await asyncio.to_thread(self._wanted.find)
        except Exception as error:
            if not was_broken:
                raise
            self._tell(f"{self._answering.card.version} is started anew all the same: {_line_of(error)}")
            return self._answering.model

    async def _until_due(self, pause: float) -> bool:
        """Waits until the channel is to be looked at, or the model has broken down; returns whether it has."""
        loop = asyncio.get_running_loop()
        earliest = loop.time() + pause
        due = max(earliest, loop.time() + self._settings.poll_seconds)
        while loop.time() < due:
            await asyncio.sleep(min(_LOOK_SECONDS, self._settings.poll_seconds))
            self._answering.look()
            self._metrics.ready.set(self.is_ready)
            if self._answering.is_broken:
                self._tell(f"{self._answering.card.version} is started anew: {self._answering.why_broken}")
                if loop.time() >= earliest:
                    return True
        return self._answering.is_broken

    @property
    def _answering(self) -> ServedModel:
        assert self._current is not None
        return self._current

    async def _replace(self, model: PushedModel) -> None:
        """Loads a model, and has it answer in the place of the current one, which finishes what it was asked."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        following = ServedModel(model, self._settings, self._metrics)
        await following.start()
        before, self._current = self._current, following
        self._metrics.serves(self._settings.name, model.card.version)
        self._metrics.ready.set(self.is_ready)
        seconds = f"loaded and asked in {loop.time() - started:.1f} s"
        if before is None:
            self._say(f"model {model.card.version} answers, {seconds}")
            return
        if before.card.version == model.card.version:
            self._metrics.restarts.inc()
            self._say(f"model {model.card.version} answers again, {seconds}")
        else:
            self._metrics.swaps.inc()
            self._say(f"model {model.card.version} answers in the place of {before.card.version}, {seconds}")
        ending = self._retired[before] = asyncio.create_task(before.end())
        ending.add_done_callback(lambda _: self._retired.pop(before, None))

    def _tell(self, failure: str) -> None:
        if failure != self._told:
            self._told = failure
            self._say(failure)


def _line_of(error: Exception) -> str:
    return str(as_user_error(error) or f"{type(error).__name__}: {error}")


def _longer(pause: float) -> float:
    return min(max(2 * pause, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
