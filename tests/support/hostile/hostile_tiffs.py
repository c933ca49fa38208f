"""TIFFs and WebPs that attack their decoder, and the largest that are read; a record holds neither."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image
from tiff_files import tiff

FOR_SOURCES = "sound, but only as a file of a source"
_SMALL = np.zeros((16, 16, 3), np.uint8)


def _of_zeros(side: int, num_bands: int, bits: int) -> bytes:
    """A sound TIFF that is black throughout, in one strip."""
    packer = zlib.compressobj(9)
    size = side * side * num_bands * bits // 8
    packed = b"".join(packer.compress(bytes(min(2**20, size - at))) for at in range(0, size, 2**20)) + packer.flush()
    return _with_strip(packed, side, num_bands, bits)


def _with_strip(packed: bytes, side: int, num_bands: int = 3, bits: int = 8) -> bytes:
    """A TIFF of one strip that holds other bytes than it should."""
    small = tiff(np.zeros((1, 1, num_bands), np.uint8))
    tags = {256: side, 257: side, 258: (bits,) * num_bands, 259: 8, 278: side, 273: len(small), 279: len(packed)}
    moved = tiff(np.zeros((1, 1, num_bands), np.uint8), tags=tags)
    assert len(moved) == len(small)
    return moved + packed


def _many_strips(overlapping: bool) -> bytes:
    body = tiff(np.zeros((4, 4000, 3), np.uint8))
    count = 16_000
    starts = (8,) * count if overlapping else tuple(range(8, 8 + count))
    sizes = (40_000 if overlapping else 1,) * count
    return (
        body[:8]
        + tiff(np.zeros((4, 4000, 3), np.uint8), tags={256: 100, 257: 8000, 278: 1, 284: 2, 273: starts, 279: sizes})[
            8:
        ]
    )


def _circle(num_entries: int = 900) -> bytes:
    """A picture whose next directory is its own follower, of as many entries as are read."""
    content = bytearray(tiff(_SMALL, following=2))
    (first,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, first)
    at = len(content)
    struct.pack_into("<I", content, first + 2 + 12 * count, at)
    entries = b"".join(struct.pack("<HHII", 254 + tag, 4, 1, 1) for tag in range(num_entries))
    return bytes(content) + struct.pack("<H", num_entries) + entries + struct.pack("<I", at)


def _webp(side: int, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side)).save(buffer, "WEBP", **options)
    return buffer.getvalue()


def _webp_claiming(side: int) -> bytes:
    content = bytearray(_webp(16, lossless=True))
    struct.pack_into("<I", content, 21, (side - 1) | (side - 1) << 14)
    return bytes(content)


def _animated_webp() -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (64, 64), (value, 0, 0)) for value in range(50)]
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


OF_SOURCES: dict[str, tuple[Callable[[], bytes], bool | str]] = {
    "a TIFF of 2 GB": (lambda: tiff(_SMALL, tags={256: 2**31 - 1, 257: 1}), False),
    "a TIFF of 20,000 px a side": (lambda: tiff(_SMALL, tags={256: 20_000, 257: 20_000}), False),
    "a TIFF of one large tile": (lambda: tiff(_SMALL, tags={322: 2**20, 323: 2**20, 324: 8, 325: 9}), False),
    "a TIFF of strips that overlap": (lambda: _many_strips(True), False),
    "a TIFF of strips of one byte": (lambda: _many_strips(False), False),
    "a TIFF of a million strips": (lambda: tiff(_SMALL, tags={273: tuple(range(2**20))}), False),
    "a TIFF of blocks that unpack to nothing": (
        lambda: _with_strip(b"\x78\x9c" + b"\0\0\0\xff\xff" * 12_000_000, 5_000),
        False,
    ),
    "a TIFF that unpacks to more": (lambda: _with_strip(zlib.compress(bytes(2**26), 9), 64), FOR_SOURCES),
    "a TIFF whose directories go in a circle": (_circle, False),
    "a TIFF whose directory is its pixels": (lambda: b"II*\0\x08\0\0\0" + b"\xff" * 2**20, False),
    "the largest TIFF": (lambda: _of_zeros(5_000, 4, 8), FOR_SOURCES),
    "the largest TIFF of 16 bits": (lambda: _of_zeros(4_082, 3, 16), FOR_SOURCES),
    "a WebP of 16,383 px a side": (lambda: _webp_claiming(16_383), False),
    "a WebP that claims more": (lambda: _webp_claiming(5_000), False),
    "an animated WebP": (_animated_webp, False),
    "the largest WebP": (lambda: _webp(4_000), FOR_SOURCES),
    "the largest WebP without loss": (lambda: _webp(4_000, lossless=True), FOR_SOURCES),
}
