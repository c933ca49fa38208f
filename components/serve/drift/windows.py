"""The sums of every version that this server answers with: since it began, and of the window that is open.

A window that could not be written stays open and grows, and is written under the same name later. So no tile is lost
while a bucket does not answer, and none is counted twice.
"""

import asyncio
import contextlib
import dataclasses
import datetime
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.contracts import ModelCard, ServedWindow
from components.errors import as_user_error
from components.serve.drift.tally import Tally

# A server that swaps models while nothing can be written holds the sums of so many, the latest.
_MOST_VERSIONS = 8

Moment: TypeAlias = datetime.datetime


def _now() -> Moment:
    return datetime.datetime.now(datetime.UTC)


@dataclasses.dataclass
class _Sums:
    """The sums of one version: of windows that were written, of the one that is being written, and of the open one."""

    card: ModelCard
    whole: Tally
    closing: Tally
    open: Tally
    num_written: int = 0


class Windows:
    """What was answered, by version. All but the writing itself happens in the event loop."""

    def __init__(
        self, say: Callable[[str], None], to_uri: str = "", seconds: float = 3600.0, now: Callable[[], Moment] = _now
    ) -> None:
        self._say, self._to_uri, self._seconds, self._now = say, to_uri, seconds, now
        self._instance = secrets.token_hex(8)
        self._sums: dict[str, _Sums] = {}
        self._told = ""

    def add(
        self, card: ModelCard, histograms: Sequence[NDArray[np.int64] | None], results: Mapping[str, NDArray[Any]]
    ) -> None:
        """Adds the tiles of a request that was answered; see Tally.add."""
        if card.version not in self._sums:
            self._begin(card)
        self._sums[card.version].open.add(histograms, results)

    def window(self, card: ModelCard) -> ServedWindow:
        """Returns all that was answered with a version since it began to answer here."""
        now = self._now()
        sums = self._sums.get(card.version)
        both = self._tally(card, now if sums is None else sums.whole.since)
        if sums is not None:
            for part in (sums.whole, sums.closing, sums.open):
                both.add_tally(part)
        return both.window(now)

    async def write_until(self, ended: asyncio.Event) -> None:
        """Writes the open windows again and again, and at the end; each file appears whole or not at all."""
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await ended.wait()
            await self.write()

    async def write(self) -> None:
        """Writes the open windows that hold tiles, and begins new ones. What fails is told, and tried again later."""
        for sums in [*self._sums.values()] if self._to_uri else ():
            if not sums.open.num_tiles:
                continue
            now = self._now()
            sums.closing, sums.open = sums.open, self._tally(sums.card, now)
            window = sums.closing.window(now)
            uri = window_uri(self._to_uri, window, sums.num_written)
            try:
                await asyncio.to_thread(storage.write_bytes, uri, window.to_json())
            except Exception as error:  # a defect, too, must not end what answers well
                sums.closing.add_tally(sums.open)
                sums.open = sums.closing
                self._tell(
                    f"the sums of {window.version} are kept and written later: {as_user_error(error) or error!r}"
                )
            else:
                sums.num_written += 1
                sums.whole.add_tally(sums.closing)
                self._told = ""
            sums.closing = self._tally(sums.card, now)

    def _tally(self, card: ModelCard, since: Moment) -> Tally:
        return Tally(card, self._instance, since)

    def _begin(self, card: ModelCard) -> None:
        while len(self._sums) >= _MOST_VERSIONS:
            oldest = self._sums.pop(next(iter(self._sums)))
            if self._to_uri and oldest.open.num_tiles:
                self._say(f"the sums of {oldest.card.version} were not written, and are given up for later versions")
        now = self._now()
        self._sums[card.version] = _Sums(card, self._tally(card, now), self._tally(card, now), self._tally(card, now))

    def _tell(self, failure: str) -> None:
        if failure != self._told:
            self._told = failure
            self._say(failure)


def window_uri(uri: str, window: ServedWindow, number: int) -> str:
    """Returns where a window is written: by version, then by its beginning, by server, and by its number there.

    A time has whole seconds, so that it alone would not tell two short windows apart.
    """
    begin = window.since.replace("-", "").replace(":", "")
    return storage.join(uri, window.version, f"{begin}-{window.instance}-{number}.json")
