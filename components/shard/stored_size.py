"""Scales tiles down before they are stored, for training at a lower resolution (`shard_tile_size_px`).

A smaller tile takes less space and is faster to read, but the source's own pixels are lost. So it suits experiments
whose `image_size_px` is at most that size. Nothing is ever enlarged: a tile whose shorter side is already small enough
is stored unchanged, byte for byte. A source with several tile sizes can therefore give a dataset with several; as in
any such dataset, the reader resizes tiles that differ from `image_size_px`, smaller tiles up.

The filter is a triangle over two output pixels (Pillow's BILINEAR, in fixed-point arithmetic and so the same on every
machine). The reader and the served model resize with the same filter (tf.image.resize with antialiasing): on synthetic
tiles no pixel differs from theirs by more than 1, by 0.2 on average, while area averaging differs by 3.4.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Measured on synthetic tiles, 512 to 256 px, as the share of the source's bytes and the mean error in 0..255:
#   quality 85: 19 %, 3.3; 90: 24 %, 2.6; 92: 26 %, 2.2; 95: 34 %, 1.6, and for NIR 39 %, 1.4.
# At 95, a quarter of the pixels takes a third of the bytes, with half the error that a different filter would cause.
# Colour at full resolution (4:4:4): halving it saves 15 % of the RGB bytes but raises the error to 1.8; and if the
# source's colour is already halved, scaling by 2 brings it exactly to the resolution of the pixels.
_JPEG_OPTIONS = {"quality": 95, "subsampling": "4:4:4"}


def stored_size(width_px: int, height_px: int, tile_size_px: int) -> tuple[int, int]:
    """Returns width and height of the stored tile in pixels; the shorter side is at most `tile_size_px`.

    Args:
      tile_size_px: 0 for no scaling.
    """
    shorter = min(width_px, height_px)
    if not tile_size_px or shorter <= tile_size_px:
        return width_px, height_px
    width_px, height_px = ((2 * side * tile_size_px + shorter) // (2 * shorter) for side in (width_px, height_px))
    return width_px, height_px


def scaled_jpeg(pixels: NDArray[np.uint8], size: tuple[int, int]) -> bytes:
    """Returns an image scaled down, as a JPEG; equal pixels give equal bytes.

    Args:
      pixels: uint8 [H, W, B], B 1 or 3.
      size: Width and height, from stored_size.
    """
    image = Image.fromarray(pixels if pixels.shape[-1] > 1 else pixels[..., 0])
    buffer = io.BytesIO()
    image.resize(size, Image.Resampling.BILINEAR).save(buffer, "JPEG", **_JPEG_OPTIONS)
    return buffer.getvalue()


def scaled_mask(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Returns a mask, bool [H, W], scaled down: True where more than half of the area is True. Exact, in integers.

    Args:
      size: Width and height, from stored_size.
    """
    if mask.all():
        return np.ones(size[::-1], np.bool_)
    area = _stretch_sums(_stretch_sums(mask.astype(np.int64), size[1]).T, size[0]).T  # [h, w], of H * W
    scaled: NDArray[np.bool_] = 2 * area > mask.size
    return scaled


def _stretch_sums(values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Divides the rows of `values`, [N, M], into `count` equal stretches and sums each; a cut row counts in part.

    Returns:
      int64 [count, M], in units of 1 / count of a row's values.
    """
    edge_row, edge_part = np.divmod(np.arange(count + 1) * len(values), count)
    below = np.pad(values, ((0, 1), (0, 0)))  # the row that an edge cuts; zeros after the last
    before = np.pad(values.cumsum(axis=0), ((1, 0), (0, 0)))  # the sum of all rows above
    sums: NDArray[np.int64] = np.diff(before[edge_row] * count + below[edge_row] * edge_part[:, None], axis=0)
    return sums


def scaled_counts(counts: NDArray[np.int64], total: int, stored_total: int) -> NDArray[np.int64]:
    """Returns `counts` scaled from `total` to `stored_total` pixels, int64 [C], rounded but at least 1.

    Args:
      counts: int64 [C]; a 0 stays 0.
    """
    shares = (2 * counts * stored_total + total) // (2 * total)
    return np.maximum(shares, np.minimum(counts, 1))
