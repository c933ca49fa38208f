"""A GeoTIFF as rows of windows: every row of pixels is read once, though windows overlap."""

import dataclasses
import hashlib
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.maps.preview import Sampling
from components.maps.raster_file import Raster
from components.maps.unit import AskedUnit
from components.maps.window_part import packed
from components.maps.windows import Axis, starts, valid_cells

_ROWS_AT_ONCE = 64  # that are read; GDAL keeps the blocks that reach beyond them
_ENDS_BYTES = 64 << 10  # of a file's start and end, where a TIFF has its directory


@dataclasses.dataclass(frozen=True)
class RasterWindows:
    """Where the windows of a raster lie.

    Attributes:
      axes: Its rows and columns.
      window_px, stride_px: Side and distance of windows.
      batch_size: Windows at most in a batch.
    """

    axes: tuple[Axis, Axis]
    window_px: int
    stride_px: int
    batch_size: int

    @property
    def tops(self) -> tuple[int, ...]:
        """Where the rows of windows start; each is a unit of work."""
        return starts(self.axes[0].num_px, self.window_px, self.stride_px)

    @property
    def lefts(self) -> tuple[int, ...]:
        """Where the windows of a row start."""
        return starts(self.axes[1].num_px, self.window_px, self.stride_px)

    def units(self, raster: Raster, wanted: Collection[int]) -> Iterator[AskedUnit]:
        """Yields rows of windows, by number in ascending order, with their pixels.

        Raises:
          DataError: if the raster cannot be read.
        """
        height, width = (axis.num_px for axis in self.axes)
        tops, side = self.tops, self.window_px
        counts = {"rgb": 3, "nir": 1, "valid": 1}
        if len(raster.header.indexes) == counts["rgb"]:
            del counts["nir"]
        # RGB and NIR apart, as the model takes them: windows are then cut row by row, and not pixel by pixel.
        rows = {name: np.zeros((side, max(width, side), n), np.uint8) for name, n in counts.items()}
        # One batch at a time: it is sent before the next one is cut.
        batch = {name: np.zeros((self.batch_size, side, side, n), np.uint8) for name, n in counts.items()}
        start = end = 0  # the rows of the source that are in the arrays
        for number in sorted(wanted):
            top, bottom = tops[number], min(tops[number] + side, height)
            kept = max(end - top, 0)
            for array in rows.values():
                _move_up(array, top - start, kept)
            for row in range(kept, bottom - top, _ROWS_AT_ONCE):
                read = slice(row, min(row + _ROWS_AT_ONCE, bottom - top))
                *parts, valid = (array[read, :width] for array in rows.values())
                raster.rows(top + row, parts, valid)
            start, end = top, bottom
            following = tops[number + 1] if number + 1 < len(tops) else height
            yield self._unit(number, following - top, rows, batch)

    def _unit(
        self,
        number: int,
        num_own: int,
        rows: dict[str, NDArray[np.uint8]],
        batch: dict[str, NDArray[np.uint8]],
    ) -> AskedUnit:
        """Returns a row of windows; the first `num_own` rows of pixels belong to no other."""
        top, side = self.tops[number], self.window_px
        height, width = (axis.num_px for axis in self.axes)
        *parts, valid = rows.values()
        own = valid[:num_own, :width]
        counts: NDArray[np.bool_] = np.any(valid, axis=(0, 2))  # [W]
        asked = [left for left in self.lefts if counts[left : left + side].any()]
        bits = [packed(valid_cells(valid[:, left : left + side, 0], (top, left), self.axes, side)) for left in asked]
        preview = Sampling(height, width).block([part[:num_own, :width] for part in parts], own, top, 0)

        # Their sizes follow from the places of windows alone, so they do not depend on where a run was interrupted.
        def batches() -> Iterator[dict[str, NDArray[np.uint8]]]:
            for begin in range(0, len(asked), self.batch_size):
                some = asked[begin : begin + self.batch_size]
                for place, left in enumerate(some):
                    for name, array in rows.items():
                        batch[name][place] = array[:, left : left + side]
                yield {name: array[: len(some)] for name, array in batch.items()}

        return AskedUnit(
            number=number,
            places=tuple((top, left) for left in asked),
            valid=tuple(bits),
            num_windows=len(self.lefts),
            nodata_px=int(own.size - np.count_nonzero(own)),
            preview=(preview,),
            batches=batches(),
        )


def _move_up(rows: NDArray[np.uint8], by: int, num_rows: int) -> None:
    """Moves rows to the start of an array, without a copy of all of them."""
    for start in range(0, num_rows if by else 0, by or 1):
        stop = min(start + by, num_rows)
        rows[start:stop] = rows[start + by : stop + by]


def file_fingerprint(path: Path, version: str, indexes: Sequence[int]) -> str:
    """Returns what tells a file from another, or from itself after a change, without reading all of it.

    Args:
      version: The bucket's generation of the object that it is a copy of; empty for a file, whose time counts.
      indexes: The bands that are read: which is which is a part of what the source is.
    """
    status = path.stat()
    with path.open("rb") as file:
        ends = file.read(_ENDS_BYTES)
        file.seek(max(status.st_size - _ENDS_BYTES, 0), os.SEEK_SET)
        ends += file.read(_ENDS_BYTES)
    stamp = f"{status.st_size} {version or status.st_mtime_ns} {list(indexes)}\n".encode()
    return hashlib.sha256(stamp + ends).hexdigest()
