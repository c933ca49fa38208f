"""Digests of pictures, eight bytes each, which find equal RGB files among ten million."""

import collections
import hashlib
import itertools

import numpy as np
from numpy.typing import NDArray

DIGEST_BYTES = 8  # two of ten million different pictures have the same in one of 300,000 datasets


def picture_digest(rgb: bytes) -> bytes:
    """Returns the first bytes of the sha256 of an RGB file; equal files have the same."""
    return hashlib.sha256(rgb).digest()[:DIGEST_BYTES]


class PictureDigests:
    """The digests of all pictures, by split: eight bytes each, and no Python object per tile."""

    def __init__(self) -> None:
        self._by_split: dict[str, bytearray] = collections.defaultdict(bytearray)

    def add(self, split: str, digests: bytes) -> None:
        """Adds one digest, or several concatenated ones."""
        self._by_split[split] += digests

    def clear(self) -> None:
        """Drops all digests."""
        self._by_split.clear()

    def of_split(self, split: str) -> NDArray[np.uint64]:
        """Returns the digests in the order they were added; add nothing while they are in use."""
        return np.frombuffer(self._by_split[split], np.uint64)

    def repeats(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], int]:
        """Returns the digests in two splits, those repeated within one split, and how many pictures are repeats."""
        ordered = [np.sort(self.of_split(split)) for split in self._by_split]  # the only copy of all digests
        within = [np.unique(values[1:][values[1:] == values[:-1]]) for values in ordered]
        across = [_shared(one, other) for one, other in itertools.combinations(ordered, 2)]
        in_two_splits, in_one_split = (np.unique(np.concatenate([*found, _NONE])) for found in (across, within))
        num_repeated = sum(_num_repeated(values) for values in ordered)
        num_repeated += sum(len(_shared(values, in_two_splits)) for values in ordered) - len(in_two_splits)
        return in_two_splits, in_one_split, num_repeated


_NONE = np.zeros(0, np.uint64)


def _num_repeated(ordered: NDArray[np.uint64]) -> int:
    """Returns how many values of a sorted array equal the one before."""
    return int(np.count_nonzero(ordered[1:] == ordered[:-1]))


def _shared(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Returns the values in both sorted arrays, each once; does one search per value of the shorter array."""
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    return np.unique(shorter[is_in(shorter, longer)])


def is_in(values: NDArray[np.uint64], ordered: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Returns which of the values are in a sorted array."""
    if not len(ordered):
        return np.zeros(len(values), np.bool_)
    found: NDArray[np.bool_] = ordered[np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)] == values
    return found
