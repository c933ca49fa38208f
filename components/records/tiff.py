"""Decodes a TIFF or GeoTIFF of 8 or 16 bits, band by band and without loss.

Why no library does it: Pillow cuts 16-bit colour to 8 bits and reads no four-band file of 16 bits; tifffile needs
imagecodecs for LZW, which has no wheels for Python 3.11. What is hard, unpacking LZW and PackBits, is left to Pillow:
each strip is handed to it as a grey picture whose header we write, so no tag of the file reaches its decoder.
"""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.records.image_header import DamagedImage
from components.records.tiff_header import Block, TiffHeader, tiff_header

_NONE, _LZW, _PACK_BITS = 1, 5, 32773
_CUT_OFF = "it has not the pixels that it claims"
# A directory of nine tags: width, height, bits, compression, colour, strip, samples, rows, bytes of the strip.
_WRAPPING = struct.Struct("<4sIH" + "HHII" * 9 + "I")


def decode(content: bytes, header: TiffHeader | None = None) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decodes the first picture.

    Args:
      content: The file.
      header: Of the file, if it was read before.

    Returns:
      uint8 or uint16 [H, W, B], B 1 to 4, as stored: not rotated. A picture of 1 bit has 0 and 255.

    Raises:
      DamagedImage: unless it is complete, of a kind that is read, and within the limits of tiff_header.py.
    """
    header = header or tiff_header(content)
    depth = np.uint16 if header.bits == 16 else np.uint8
    pixels = np.zeros((header.height, header.width, header.num_bands), depth)
    for block, part in _parts(memoryview(content), header):
        rows = pixels[block.row : block.row + header.block_height, block.column : block.column + header.block_width]
        target = rows[..., block.band : block.band + 1] if header.is_planar else rows
        target[...] = part[: target.shape[0], : target.shape[1]]
    if header.is_inverted:
        np.subtract(np.iinfo(depth).max, pixels, out=pixels)
    return pixels


def _parts(content: memoryview, header: TiffHeader) -> Iterator[tuple[Block, NDArray[np.generic]]]:
    """Yields each block with its pixels, [h, w, B]; a strip at the bottom is as high as the picture reaches."""
    num_bands = 1 if header.is_planar else header.num_bands
    row_bytes = -(-header.block_width * num_bands * header.bits // 8)
    for block in header.blocks:
        height = header.block_height if header.is_tiled else min(header.block_height, header.height - block.row)
        packed = content[block.start : block.start + block.num_bytes]
        raw = _unpacked(packed, header.compression, row_bytes, height)
        if header.bits == 1:
            bits = np.unpackbits(np.frombuffer(raw, np.uint8).reshape(height, row_bytes), axis=1)
            yield block, bits[:, : header.block_width, np.newaxis] * np.uint8(255)
            continue
        kind = np.dtype(np.uint8) if header.bits == 8 else np.dtype(f"{header.order}u2")
        part: NDArray[np.generic] = np.frombuffer(raw, kind).reshape(height, header.block_width, num_bands)
        if header.has_differences:  # sums that wrap around
            part = part.cumsum(axis=1, dtype=kind.newbyteorder("="))
        yield block, part


def _unpacked(packed: memoryview, compression: int, row_bytes: int, height: int) -> bytes | memoryview:
    """Returns the bytes of a block's rows, exactly as many as it has."""
    size = row_bytes * height
    if compression == _NONE:
        raw: bytes | memoryview = packed[:size]
    elif compression in (_LZW, _PACK_BITS):
        raw = _unpacked_by_pillow(packed, compression, row_bytes, height)
    else:
        try:
            stream = zlib.decompressobj()
            raw = stream.decompress(packed, size)
            stream.decompress(stream.unconsumed_tail, 1)  # to the checksum behind the last byte
        except zlib.error as error:
            raise DamagedImage("its compressed pixels are damaged") from error
    if len(raw) != size:
        raise DamagedImage(_CUT_OFF)
    return raw


def _unpacked_by_pillow(packed: memoryview, compression: int, row_bytes: int, height: int) -> bytes:
    short, long = 3, 4
    tags = (
        (256, long, row_bytes), (257, long, height), (258, short, 8), (259, short, compression), (262, short, 1),
        (273, long, _WRAPPING.size), (277, short, 1), (278, long, height), (279, long, len(packed)),
    )  # fmt: skip
    entries = [part for tag, kind, value in tags for part in (tag, kind, 1, value)]
    file = io.BytesIO(_WRAPPING.pack(b"II*\0", 8, len(tags), *entries, 0))
    file.seek(0, io.SEEK_END)
    file.write(packed)
    file.seek(0)
    try:
        with Image.open(file, formats=("TIFF",)) as image:
            return image.tobytes()
    except Exception as error:  # damaged bytes raise anything from struct.error to SyntaxError
        raise DamagedImage("its compressed pixels are damaged") from error
