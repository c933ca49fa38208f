"""Digests of pictures: eight bytes each, by which equal RGB files are found among ten million."""

import collections
import hashlib
import itertools

import numpy as np
from numpy.typing import NDArray

DIGEST_BYTES = 8  # two of ten million different pictures are alike in these once in 300,000 datasets


def picture_digest(rgb: bytes) -> bytes:
    """Returns what equal RGB files have in common: the first bytes of their sha256."""
    return hashlib.sha256(rgb).digest()[:DIGEST_BYTES]


class PictureDigests:
    """The digests of all pictures, by split: eight bytes each, and no Python object per tile."""

    def __init__(self) -> None:
        self._by_split: dict[str, bytearray] = collections.defaultdict(bytearray)

    def add(self, split: str, digests: bytes) -> None:
        """Adds one digest or several, one after the other."""
        self._by_split[split] += digests

    def clear(self) -> None:
        """Forgets them all."""
        self._by_split.clear()

    def of_split(self, split: str) -> NDArray[np.uint64]:
        """Returns the digests in the order in which they were added; nothing may be added while they are in use."""
        return np.frombuffer(self._by_split[split], np.uint64)

    def repeats(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], int]:
        """Returns the digests in two splits, those that a split has more than once, and how many repeat another one."""
        ordered = [np.sort(self.of_split(split)) for split in self._by_split]  # the one copy that is made of them all
        within = [np.unique(values[1:][values[1:] == values[:-1]]) for values in ordered]
        across = [_shared(one, other) for one, other in itertools.combinations(ordered, 2)]
        in_two_splits, in_one_split = (np.unique(np.concatenate([*found, _NONE])) for found in (across, within))
        num_repeated = sum(_num_repeated(values) for values in ordered)
        num_repeated += sum(len(_shared(values, in_two_splits)) for values in ordered) - len(in_two_splits)
        return in_two_splits, in_one_split, num_repeated


_NONE = np.zeros(0, np.uint64)


def _num_repeated(ordered: NDArray[np.uint64]) -> int:
    """Returns how many of a sorted array's values are equal to the one before."""
    return int(np.count_nonzero(ordered[1:] == ordered[:-1]))


def _shared(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Returns what is in both sorted arrays, each value once; one search per value of the shorter one."""
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    return np.unique(shorter[is_in(shorter, longer)])


def is_in(values: NDArray[np.uint64], ordered: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Tells which values are in a sorted array."""
    if not len(ordered):
        return np.zeros(len(values), np.bool_)
    found: NDArray[np.bool_] = ordered[np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)] == values
    return found
