"""The names of a split's tiles, or of their fields, on disk: read by row, never all at once."""

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from components.errors import naming_place
from components.evaluate.reading.columns import ColumnWriter

_BYTES_AT_ONCE = 1 << 20


class Names:
    """N names.

    Attributes:
      longest: The characters of the longest.
    """

    def __init__(self, path: Path, ends: NDArray[np.uint64], longest: int) -> None:
        self._path, self._ends, self.longest = path, ends, longest

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, row: int) -> str:
        return self.some(row, row + 1)[0]

    def some(self, first: int, end: int) -> list[str]:
        """Returns the names of the rows from `first` to before `end`."""
        ends = self._ends[max(first - 1, 0) : end].astype(int).tolist()
        starts = [0, *ends[:-1]] if first == 0 else ends[:-1]
        ends = ends if first == 0 else ends[1:]
        if not ends:
            return []
        with self._path.open("rb") as file:
            content = os.pread(file.fileno(), ends[-1] - starts[0], starts[0])
        return [content[a - starts[0] : b - starts[0]].decode() for a, b in zip(starts, ends, strict=True)]


class NameWriter:
    """Writes names, in order."""

    def __init__(self, path: Path, num_names: int) -> None:
        self._path, self._file = path, path.open("wb", buffering=_BYTES_AT_ONCE)
        self._ends = ColumnWriter(path.with_suffix(".ends.npy"), num_names, 1, np.uint64)
        self._end = self._longest = 0

    def add(self, names: Sequence[str]) -> None:
        """Adds names."""
        encoded = [name.encode() for name in names]
        with naming_place(self._path):
            self._file.write(b"".join(encoded))
        ends = self._end + np.cumsum([len(name) for name in encoded], dtype=np.uint64)
        self._end = int(ends[-1]) if len(ends) else self._end
        self._ends.add(ends[:, np.newaxis])
        self._longest = max(self._longest, *map(len, names), 0)

    def finish(self) -> Names:
        """Returns the names."""
        with naming_place(self._path):
            self._file.close()
        return Names(self._path, self._ends.finish()[:, 0], self._longest)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._ends.__exit__(kind, error, trace)


def as_texts(names: Sequence[str], longest: int) -> NDArray[Any]:
    """Returns names as an array of texts of one width, as NumPy stores them."""
    return np.array(names, np.dtype(("U", max(longest, 1))))
