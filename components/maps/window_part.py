"""A file of answers: what a model said of some windows that belong together, such as a row of them.

It is the unit of work: written once and whole, or not at all. What is in it follows from the source, the model and the
place of the windows alone, so it does not matter which run or which machine writes it.
"""

import hashlib
import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.errors import DataError

MAX_PART_BYTES = 1 << 30  # that are read; a row of 2,000 windows of nine classes at 64 x 64 places has 295 MB


class PreviewBlock(msgspec.Struct, frozen=True):
    """Some pixels of the preview.

    Attributes:
      top, left, height, width: In pixels of the preview.
      pixels: uint8 [height, width, B + 1]: the bands, and 1 where a pixel counts.
    """

    top: int
    left: int
    height: int
    width: int
    pixels: bytes


class WindowPart(msgspec.Struct, frozen=True, kw_only=True):
    """The answers about n windows, in ascending order of their first row.

    Attributes:
      places: The row and column of the source at which each window starts.
      sides: h and w: how many places of a window an answer has; 1, 1 if it is one for the whole window.
      answers: float32 [n, h, w, C], probabilities.
      valid: For each window which of its cells count, as packed bits [r, c / 8 rounded up]; empty if all do.
      num_windows: Including those that were not asked about, for want of a pixel that counts.
      nodata_px: Pixels that do not count among the rows that belong to this part.
      num_left_out, first_left_out: Tiles that could not be used, and which and why.
      preview: Its share of the preview.
    """

    places: tuple[tuple[int, int], ...]
    sides: tuple[int, int]
    answers: bytes
    valid: tuple[bytes, ...]
    num_windows: int
    nodata_px: int = 0
    num_left_out: int = 0
    first_left_out: str = ""
    preview: tuple[PreviewBlock, ...] = ()

    def to_bytes(self) -> bytes:
        """Returns what a file holds; equal parts have equal bytes."""
        content = msgspec.msgpack.encode(self)
        return hashlib.sha256(content).digest() + content

    def arrays(self, num_classes: int) -> NDArray[np.float32]:
        """Returns the answers, float32 [n, h, w, C]."""
        return np.frombuffer(self.answers, np.float32).reshape(len(self.places), *self.sides, num_classes)


def read_part(content: bytes, origin: str, num_classes: int) -> WindowPart:
    """Returns the part that a file holds.

    Raises:
      DataError: if it is damaged, or none for so many classes.
    """
    way_out = "delete it and run the same command again, which asks about these windows again"
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        raise DataError(f"{origin!r} is damaged; {way_out}")
    try:
        part = msgspec.msgpack.decode(content[32:], type=WindowPart)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{origin!r} is no file of answers: {error}; {way_out}") from error
    num_values = len(part.places) * math.prod(part.sides) * num_classes
    fits = min(part.sides) > 0 and len(part.answers) == 4 * num_values and len(part.valid) == len(part.places)
    if not fits or any(min(place) < 0 for place in part.places):
        raise DataError(f"{origin!r} has not the answers that it claims; {way_out}")
    return part


def packed(valid: NDArray[np.bool_]) -> bytes:
    """Returns which cells of a window count, bool [r, c], as a part holds it."""
    return b"" if valid.all() else np.packbits(valid, axis=1).tobytes()


def unpacked(bits: bytes, rows: range, num_rows: int, num_columns: int) -> NDArray[np.bool_]:
    """Returns some rows of what `packed` was given, bool [r, num_columns].

    Raises:
      ValueError: if the bits are not those of so many cells.
    """
    if not bits:
        return np.ones((len(rows), num_columns), np.bool_)
    lines = np.frombuffer(bits, np.uint8).reshape(num_rows, -(-num_columns // 8))
    return np.unpackbits(lines[rows.start : rows.stop], axis=1, count=num_columns).astype(np.bool_)


def joined_answers(answers: Sequence[NDArray[np.float32]]) -> tuple[tuple[int, int], bytes]:
    """Returns the sides and the bytes of the answers to some batches, each float32 [n, C] or [n, h, w, C]."""
    if not answers:
        return (1, 1), b""
    whole = np.concatenate(answers)
    sides = (1, 1) if whole.ndim == 2 else whole.shape[1:3]
    return (int(sides[0]), int(sides[1])), whole.tobytes()
