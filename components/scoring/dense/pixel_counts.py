"""Counts what overlap_iou.py counts of one tile, from bits: a plane of 512 x 512 pixels is 32 kB, and counted in 10 us.

The sets of labels that pixels have are found by splitting: the valid pixels by the first class, each part by the next.
A part without a pixel is not split again, so a tile of two classes has at most four parts, however many classes
there are.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from components.scoring.overlap_iou import BACKGROUND


@dataclasses.dataclass(frozen=True)
class PixelCounts:
    """The valid pixels of a tile by what they are labelled and predicted.

    Attributes:
      table: int64 [S, C + 1], by set of labels and predicted class.
      has: What each set holds, int64 of 0 and 1 [S, C + 1]; background alone where no class is labelled.
    """

    table: NDArray[np.int64]
    has: NDArray[np.int64]

    @property
    def num_pixels(self) -> int:
        """The pixels that were counted."""
        return int(self.table.sum())

    @property
    def num_right(self) -> int:
        """Those whose prediction is one of their labels."""
        return int((self.table * self.has).sum())

    def confusion(self) -> NDArray[np.int64]:
        """Returns M, predicted by true, int64 [C + 1, C + 1]."""
        return confusion_of(self.table, self.has)


def confusion_of(table: NDArray[np.int64], has: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns M, int64 [C + 1, C + 1], of pixels by label set and prediction; see PixelCounts."""
    right = (table * has).sum(axis=1) @ has
    wrong: NDArray[np.int64] = (table * (1 - has)).T @ has
    return wrong + np.diag(right)


def count_pixels(
    predicted: NDArray[np.uint8],
    labels: Mapping[int, NDArray[np.uint8]],
    valid: NDArray[np.uint8],
    num_classes: int,
) -> PixelCounts:
    """Counts the valid pixels of a tile.

    Args:
      predicted: 0 for background and c + 1 for class c, [H, W].
      labels: Packed bits of the pixels that have each class, by its number in 0..C-1, [H, W / 8 rounded up].
      valid: The same of the pixels that count; padding is 0.
      num_classes: C.
    """
    shown = ((name, predicted == name) for name in range(1, num_classes + 1))
    planes = {name: np.packbits(plane, axis=1) for name, plane in shown if plane.any()}
    sets: list[tuple[tuple[int, ...], NDArray[np.uint8]]] = [((), valid)]
    for c, plane in labels.items():
        split = []
        for having, part in sets:
            with_class = part & plane
            if with_class.any():
                split.append(((*having, c), with_class))
                part = part ^ with_class
            split.append((having, part))
        sets = [each for each in split if each[1].any()]
    table, has = (np.zeros((len(sets), num_classes + 1), np.int64) for _ in range(2))
    for row, (having, part) in enumerate(sets):
        for name, plane in planes.items():
            table[row, name] = _num_bits(part & plane)
        table[row, BACKGROUND] = _num_bits(part) - table[row].sum()
        has[row, [c + 1 for c in having] or [BACKGROUND]] = 1
    return PixelCounts(table, has)


def _num_bits(plane: NDArray[np.uint8]) -> int:
    words = plane.ravel() if plane.size % 8 else plane.ravel().view(np.uint64)
    return int(np.bitwise_count(words).sum(dtype=np.int64))
