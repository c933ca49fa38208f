"""Counts items that may be as many as tiles, and keeps the first few to show."""

import bisect
import dataclasses
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from components.contracts import Rejection

MAX_LISTED = 1000  # in the manifest, about 100 kB
EXAMPLES_PER_REASON = 3
_MAX_REASONS = 1000
_OTHER_REASONS = "another reason"

Item = TypeVar("Item", bound=Any)


class FirstSorted(Generic[Item]):
    """Counts items and keeps the first of them in sorted order; items may come in any order."""

    def __init__(self, limit: int = MAX_LISTED) -> None:
        self.num_items = 0
        self._limit = limit
        self._kept: list[Item] = []

    def add(self, items: Iterable[Item]) -> None:
        """Counts the items, and keeps those among the first."""
        for item in items:
            self.num_items += 1
            self._kept.append(item)
            if len(self._kept) > 4 * self._limit:
                self._trim()

    def first(self) -> tuple[Item, ...]:
        """Returns the first items, sorted."""
        self._trim()
        return tuple(self._kept)

    def _trim(self) -> None:
        self._kept.sort()
        del self._kept[self._limit :]


@dataclasses.dataclass
class Reason:
    """A reason for leaving out tiles; `examples` are the first of their names, sorted."""

    text: str
    num_tiles: int = 0
    examples: list[str] = dataclasses.field(default_factory=list)


class Rejections:
    """The tiles that were left out: their number, the first few, and their number by reason."""

    def __init__(self) -> None:
        self._listed: FirstSorted[Rejection] = FirstSorted()
        self._by_reason: dict[str, Reason] = {}

    def add(self, rejected: Iterable[Rejection]) -> None:
        """Counts the rejected tiles, in total and by reason."""
        for bad in rejected:
            self._listed.add([bad])
            text = (
                bad.reason if len(self._by_reason) < _MAX_REASONS or bad.reason in self._by_reason else _OTHER_REASONS
            )
            reason = self._by_reason.setdefault(text, Reason(text))
            reason.num_tiles += 1
            bisect.insort(reason.examples, bad.tile_id)
            del reason.examples[EXAMPLES_PER_REASON:]

    def __len__(self) -> int:
        return self._listed.num_items

    def first(self) -> tuple[Rejection, ...]:
        """Returns the first rejections, sorted."""
        return self._listed.first()

    def reasons(self) -> list[Reason]:
        """Returns the reasons, the most frequent first, then by name."""
        return sorted(self._by_reason.values(), key=lambda reason: (-reason.num_tiles, reason.text))
