"""Writes a grey PNG from the top to the bottom, which Pillow can only write as a whole.

Source: PNG (Third Edition), W3C Recommendation 2025. A file is a signature and chunks; IDAT holds the rows as one zlib
stream, each row after a byte that names its filter. Filter 1 stores each pixel's difference from its left neighbour,
which suits a smooth map.
"""

import struct
import zlib
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from components.errors import naming_place

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SUB = 1  # the filter
_BITS, _GREY = 8, 0
_LEVEL = 6  # of zlib


class GreyPng:
    """An 8-bit grey PNG that is written row by row; it is whole when its context ends without an error."""

    def __init__(self, path: Path, width: int, height: int, *, transparent: int) -> None:
        """Begins a file.

        Args:
          path: Where.
          width, height: In pixels.
          transparent: The value of pixels that show what is below.
        """
        self._path, self._width = path, width
        self._zlib = zlib.compressobj(_LEVEL)
        self._file = path.open("wb")
        self._file.write(_SIGNATURE)
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, _BITS, _GREY, 0, 0, 0))
        self._chunk(b"tRNS", struct.pack(">H", transparent))

    def __enter__(self) -> "GreyPng":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._file:
            if error is None:
                with naming_place(self._path):
                    self._chunk(b"IDAT", self._zlib.flush())
                    self._chunk(b"IEND", b"")

    def add(self, rows: NDArray[np.uint8]) -> None:
        """Writes the next rows, uint8 [r, width]."""
        filtered = np.empty((len(rows), self._width + 1), np.uint8)
        filtered[:, 0], filtered[:, 1] = _SUB, rows[:, 0]
        np.subtract(rows[:, 1:], rows[:, :-1], out=filtered[:, 2:])  # modulo 256
        if packed := self._zlib.compress(filtered.tobytes()):
            with naming_place(self._path):
                self._chunk(b"IDAT", packed)

    def _chunk(self, kind: bytes, content: bytes) -> None:
        self._file.write(struct.pack(">I", len(content)) + kind + content)
        self._file.write(struct.pack(">I", zlib.crc32(kind + content)))
