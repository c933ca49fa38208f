"""Writes TIFFs of every kind that ours must read or refuse, which no library writes: a tag may have any value."""

import itertools
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

NIR, ALPHA = 0, 2  # kinds of an extra sample


def tiff(
    pixels: NDArray[Any],
    *,
    order: str = "<",
    deflate: bool = False,
    differences: bool = False,
    planar: bool = False,
    tile: tuple[int, int] | None = None,
    rows_per_strip: int = 0,
    extra: int = NIR,
    tags: Mapping[int, tuple[int, ...] | int | None] | None = None,
    following: int = 0,
    start: bytes = b"",
) -> bytes:
    """A TIFF of pixels, [H, W] or [H, W, B].

    Args:
      pixels: Of 8 or 16 bits, or of a kind that is not read.
      order: Of bytes.
      deflate: Whether to compress.
      differences: Whether a row holds differences.
      planar: Whether each band has strips of its own.
      tile: Height and width of tiles; None for strips.
      rows_per_strip: 0 for one strip.
      extra: The kind of the samples beyond grey or RGB.
      tags: Values that replace those that are right; None leaves the tag out.
      following: Kind of a further, equal directory, plus one; 0 for none.
      start: The first four bytes, if not those of a TIFF.
    """
    pixels = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    height, width, num_bands = pixels.shape
    kind = pixels.dtype.newbyteorder(order)
    block_height, block_width = tile or (rows_per_strip or height, width)
    blocks = []
    for band, row, column in itertools.product(
        range(num_bands if planar else 1), range(0, height, block_height), range(0, width, block_width)
    ):
        block = pixels[row : row + block_height, column : column + block_width]
        block = block[..., band : band + 1] if planar else block
        if tile:
            missing = (block_height - block.shape[0], block_width - block.shape[1])
            block = np.pad(block, ((0, missing[0]), (0, missing[1]), (0, 0)))
        if differences:
            block = np.diff(block, axis=1, prepend=block[:, :1] * block.dtype.type(0))
        raw = block.astype(kind).tobytes()
        blocks.append(zlib.compress(raw) if deflate else raw)
    num_colours = 3 if num_bands >= 3 else 1
    values: dict[int, Any] = {
        256: width, 257: height, 258: (8 * pixels.dtype.itemsize,) * num_bands, 259: 8 if deflate else 1,
        262: 2 if num_colours == 3 else 1, 277: num_bands, 284: 2 if planar else 1, 317: 2 if differences else 1,
        339: ({"u": 1, "i": 2, "f": 3}[pixels.dtype.kind],) * num_bands,
    }  # fmt: skip
    if num_bands > num_colours:
        values[338] = (extra,) * (num_bands - num_colours)
    starts = tuple(itertools.accumulate(map(len, blocks), initial=8))[:-1]
    sizes = tuple(map(len, blocks))
    values |= {322: block_width, 323: block_height, 324: starts, 325: sizes} if tile else {273: starts, 279: sizes}
    values |= {} if tile else {278: block_height}
    values |= tags or {}
    body = b"".join(blocks)
    body += bytes(len(body) % 2)
    directory = 8 + len(body)
    head = (start or (b"II*\0" if order == "<" else b"MM\0*")) + struct.pack(f"{order}I", directory)
    first = _directory(values, order, directory, bool(following))
    second = _directory(values | {254: following - 1}, order, directory + len(first), False) if following else b""
    return head + body + first + second


def _directory(values: Mapping[int, Any], order: str, at: int, has_next: bool) -> bytes:
    entries, more = [], b""
    kept = sorted((tag, value) for tag, value in values.items() if value is not None)
    end = at + 2 + 12 * len(kept) + 4
    for tag, value in kept:
        numbers = value if isinstance(value, tuple) else (value,)
        packed = struct.pack(f"{order}{len(numbers)}I", *numbers)
        place = packed
        if len(packed) > 4:
            place = struct.pack(f"{order}I", end + len(more))
            more += packed
        entries.append(struct.pack(f"{order}HHI", tag, 4, len(numbers)) + place.ljust(4, b"\0"))
    following = end + len(more) if has_next else 0
    return struct.pack(f"{order}H", len(kept)) + b"".join(entries) + struct.pack(f"{order}I", following) + more
