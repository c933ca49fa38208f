"""Arrays of a split that lie on disk: a row for each tile, and a column for each class that lies there in one piece.

They are written by rows, as tiles are read, and read by columns, as scores take them, so neither holds more than a few
columns. They are `.npy` files. Who reads one gets a memory map: what is touched of it stays in memory until the system
needs the room, or until `forget`.
"""

import contextlib
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from components.errors import naming_place

_ROWS_AT_ONCE = 4_096  # written; of 300 classes, 5 MB
ROWS_AT_ONCE = 16_384  # read


class ColumnWriter:
    """Writes an array [N, K] by rows, in order.

    Not through a memory map: when the disk is full, a write fails, and a map would end the process.
    """

    def __init__(self, path: Path, num_rows: int, num_columns: int, dtype: DTypeLike) -> None:
        self._path, self._shape, self._dtype = path, (num_rows, num_columns), np.dtype(dtype)
        self._file = path.open("wb", buffering=0)
        header: dict[str, Any] = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": True,
            "shape": self._shape,
        }
        np.lib.format.write_array_header_1_0(self._file, header)
        self._first = self._file.tell()
        self._file.truncate(self._first + num_rows * num_columns * self._dtype.itemsize)
        self._waiting = np.empty((min(num_rows, _ROWS_AT_ONCE), num_columns), self._dtype, order="F")
        self._num_waiting = self._num_written = 0

    @property
    def num_rows(self) -> int:
        """The rows that were added."""
        return self._num_written + self._num_waiting

    def add(self, rows: NDArray[Any]) -> None:
        """Adds rows, [n, K].

        Raises:
          ValueError: if they are more than the array has, or of another form.
        """
        if self.num_rows + len(rows) > self._shape[0] or rows.shape[1:] != self._shape[1:]:
            raise ValueError(f"{self.num_rows} rows and {rows.shape} more do not fit into {self._shape}")
        while len(rows):
            taken = rows[: len(self._waiting) - self._num_waiting]
            self._waiting[self._num_waiting : self._num_waiting + len(taken)] = taken
            self._num_waiting += len(taken)
            rows = rows[len(taken) :]
            if self._num_waiting == len(self._waiting):
                self._flush()

    def finish(self) -> NDArray[Any]:
        """Returns the array, which lies on disk and cannot be changed.

        Raises:
          ValueError: if rows are missing.
        """
        self._flush()
        self._file.close()
        if self._num_written != self._shape[0]:
            raise ValueError(f"{self._num_written} rows of {self._shape[0]} were added")
        return read_columns(self._path)

    def _flush(self) -> None:
        for column in range(self._shape[1]):
            content = memoryview(self._waiting[: self._num_waiting, column].tobytes())
            at = self._first + (column * self._shape[0] + self._num_written) * self._dtype.itemsize
            while content:
                with naming_place(self._path):
                    written = os.pwrite(self._file.fileno(), content, at)
                content, at = content[written:], at + written
        self._num_written += self._num_waiting
        self._num_waiting = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_columns(path: Path) -> NDArray[Any]:
    """Returns the array in a file of ColumnWriter, [N, K]."""
    return np.asarray(np.lib.format.open_memmap(path, mode="r"))


def derive(
    path: Path, function: Callable[[NDArray[Any]], NDArray[Any]], array: NDArray[Any], dtype: DTypeLike
) -> NDArray[Any]:
    """Writes function(rows) of the rows of an array, [N, K], some at a time; returns what was written, [N, K]."""
    with ColumnWriter(path, len(array), array.shape[1], dtype) as writer:
        for first in range(0, len(array), ROWS_AT_ONCE):
            writer.add(function(array[first : first + ROWS_AT_ONCE]))
        forget(array)
        return writer.finish()


def some_rows(array: NDArray[Any], rows: slice) -> NDArray[Any]:
    """Returns a copy of some rows, and gives back the memory that was touched of the array."""
    found = np.array(array[rows])
    forget(array)
    return found


def forget(*arrays: NDArray[Any]) -> None:
    """Gives back the memory that was touched of arrays on disk; they can still be read. Leaves others as they are."""
    for array in arrays:
        owner: Any = array
        while owner is not None and not isinstance(owner, mmap.mmap):
            owner = getattr(owner, "base", None)
        if owner is not None:
            with contextlib.suppress(OSError):  # it only advises
                owner.madvise(mmap.MADV_DONTNEED)
