"""The preview of a source: every so-manieth pixel, put together from what each part saw."""

import dataclasses
import io
import zipfile
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError
from components.maps.grid import QUICKLOOK_PX, Quicklook
from components.maps.window_part import PreviewBlock, WindowPart

_RED, _NIR = 0, 3
_MAX_BYTES = 64 << 20  # of the file


@dataclasses.dataclass(frozen=True)
class Sampling:
    """Which pixels of a source are in its preview: one out of `step`, along each side."""

    height_px: int
    width_px: int

    @property
    def step(self) -> int:
        """The distance of two pixels."""
        return max(-(-max(self.height_px, self.width_px) // QUICKLOOK_PX), 1)

    @property
    def _offset(self) -> int:
        # Of a source that is very narrow, at least one pixel across.
        return min(self.step // 2, min(self.height_px, self.width_px) - 1)

    def some(self, start_px: int, stop_px: int) -> range:
        """Returns the numbers of the samples among some rows or columns."""
        first, stop = (max(-(-(px - self._offset) // self.step), 0) for px in (start_px, stop_px))
        return range(first, stop)

    def block(
        self, parts: Sequence[NDArray[np.uint8]], valid: NDArray[np.uint8], top_px: int, left_px: int
    ) -> PreviewBlock:
        """Returns the samples in a piece of the source.

        Args:
          parts: The bands, each uint8 [h, w, b].
          valid: uint8 [h, w, 1], not 0 where a pixel counts.
          top_px, left_px: Where its first pixel is.
        """
        rows, columns = self.some(top_px, top_px + len(valid)), self.some(left_px, left_px + valid.shape[1])
        down = np.asarray(rows, int) * self.step + self._offset - top_px
        across = np.asarray(columns, int) * self.step + self._offset - left_px
        counts = (valid[down][:, across] > 0).astype(np.uint8)
        content = np.concatenate([*(part[down][:, across] for part in parts), counts], axis=-1)
        return PreviewBlock(rows.start, columns.start, len(rows), len(columns), content.tobytes())


class PreviewCanvas:
    """Puts the blocks of a preview together."""

    def __init__(self, sampling: Sampling, num_bands: int) -> None:
        height, width = (len(sampling.some(0, px)) for px in (sampling.height_px, sampling.width_px))
        self._pixels = np.zeros((height, width, num_bands + 1), np.uint8)

    def add(self, part: WindowPart, origin: str) -> None:
        """Adds the blocks of a part; where two overlap, the later one shows what counts in it.

        Raises:
          DataError: if a block is none of this preview.
        """
        for block in part.preview:
            here = self._pixels[block.top : block.top + block.height, block.left : block.left + block.width]
            try:
                pixels = np.frombuffer(block.pixels, np.uint8).reshape(block.height, block.width, here.shape[2])
                shows = pixels[..., -1:] > 0
                np.copyto(here, pixels, where=shows)
            except ValueError as error:
                raise DataError(f"the preview in {origin!r} does not fit its map; delete it and run again") from error

    def to_bytes(self) -> bytes:
        """Returns the preview as the file `quicklook.npz` holds it; equal previews have equal bytes."""
        rgb, valid = self._pixels[..., :3], self._pixels[..., -1] > 0
        arrays = {"rgb": rgb, "valid": valid}
        if self._pixels.shape[2] > _NIR + 1:
            red, nir = (self._pixels[..., band].astype(np.float32) for band in (_RED, _NIR))
            arrays["ndvi"] = (nir - red) / np.maximum(nir + red, 1)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()


def read_quicklook(content: bytes, origin: str) -> Quicklook:
    """Returns the preview that a file holds.

    Raises:
      DataError: if it holds none.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # What is not compressed is no larger than the file.
            if len(content) > _MAX_BYTES or any(each.compress_type for each in archive.infolist()):
                raise ValueError("it is too large, or compressed")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        shape = found["valid"].shape
        if len(shape) != 2 or found["rgb"].shape != (*shape, 3) or found.get("ndvi", found["valid"]).shape != shape:
            raise ValueError("its arrays do not fit")
        ndvi = found["ndvi"].astype(np.float32) if "ndvi" in found else None
        return Quicklook(found["rgb"].astype(np.uint8), ndvi, found["valid"].astype(np.bool_))
    # Whatever zipfile and NumPy say of bytes that somebody made up.
    except Exception as error:
        raise DataError(f"{origin!r} holds no preview: {error}; delete it and run again") from error
