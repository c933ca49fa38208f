"""Valid masks as the simplest kind of PNG, which any reader can open and ours opens in a third of the time."""

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.records import png
from components.records.image_header import PNG_HEADER as _HEADER
from components.records.image_header import PNG_SIGNATURE as _SIGNATURE
from components.records.image_header import DamagedImage, png_header

_PLAIN = (1, 0, 0, 0, 0)  # 1 bit, grey, not interlaced
_FRAME = 12  # bytes around a chunk's content: length, type and crc
_HEADER_AT = len(_SIGNATURE) + 8
_DATA_AT = len(_SIGNATURE) + _FRAME + _HEADER.size
_SMALLEST = _DATA_AT + 2 * _FRAME
_END = bytes(4) + b"IEND" + zlib.crc32(b"IEND").to_bytes(4, "big")


def encode_mask(mask: NDArray[np.bool_]) -> bytes:
    """Returns a mask, bool [H, W], as a 1-bit PNG, which readers expand to 0 and 255; equal masks give equal bytes.

    Its rows are unfiltered and in one chunk, so reading them takes no PNG decoder.
    """
    height, width = mask.shape
    # Compress the packed bits as a palette image, the only kind that Pillow does not filter. Pillow has its own zlib,
    # the same on every machine, while Python's may differ.
    buffer = io.BytesIO()
    Image.fromarray(np.packbits(mask, axis=1)).convert("P").save(buffer, "PNG")
    header = _HEADER.pack(width, height, *_PLAIN)
    chunks = ((b"IHDR", header), (b"IDAT", _content_of(buffer.getvalue(), b"IDAT")), (b"IEND", b""))
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def packed_mask(content: bytes) -> tuple[NDArray[np.uint8], int]:
    """Returns a mask's bits, uint8 [H, W / 8 rounded up] with the first pixel in the highest bit, and its width W.

    Raises:
      DamagedImage: if it is not a readable PNG, or exceeds a limit of image_header.py.
    """
    plain = plain_mask(content)
    if plain is not None:
        return plain
    white = png.decode_black_and_white(content) >> 7
    return np.packbits(white, axis=1), white.shape[1]


def plain_mask(content: bytes) -> tuple[NDArray[np.uint8], int] | None:
    """Returns the bits and width of a mask that encode_mask wrote, see packed_mask; None for any other file.

    Raises:
      DamagedImage: if it was damaged since, or exceeds a limit of image_header.py.
    """
    is_plain = content.startswith(_SIGNATURE) and content[_DATA_AT + 4 : _DATA_AT + 8] == b"IDAT"
    if not is_plain or len(content) < _SMALLEST or not content.endswith(_END):
        return None
    width, height, *kind = _HEADER.unpack_from(content, _HEADER_AT)
    (length,) = struct.unpack_from(">I", content, _DATA_AT)
    if tuple(kind) != _PLAIN or length + _SMALLEST != len(content):
        return None  # another kind of PNG, or several chunks
    png_header(content)
    for start, end in ((_HEADER_AT, _HEADER_AT + _HEADER.size), (_DATA_AT + 8, _DATA_AT + 8 + length)):
        if zlib.crc32(content[start - 4 : end]) != int.from_bytes(content[end : end + 4]):
            raise DamagedImage("a checksum is wrong")
    row_bytes = 1 + -(-width // 8)
    num_bytes = height * row_bytes
    stream = zlib.decompressobj()
    try:
        unpacked = stream.decompress(content[_DATA_AT + 8 : _DATA_AT + 8 + length], num_bytes + 1)
    except zlib.error as error:
        raise DamagedImage("its compressed rows are damaged") from error
    if len(unpacked) != num_bytes or not stream.eof or stream.unused_data:
        raise DamagedImage("it has not the rows that it claims")
    rows = np.frombuffer(unpacked, np.uint8).reshape(height, row_bytes)  # each begins with its filter number
    return (rows[:, 1:], width) if not rows[:, 0].any() else None


def _content_of(file: bytes, wanted: bytes) -> bytes:
    """Returns the content of all chunks of one type, joined."""
    parts, at = [], len(_SIGNATURE)
    while at < len(file):
        (length,) = struct.unpack_from(">I", file, at)
        if file[at + 4 : at + 8] == wanted:
            parts.append(file[at + 8 : at + 8 + length])
        at += _FRAME + length
    return b"".join(parts)
