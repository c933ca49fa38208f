"""Reads the header of a JPEG or PNG and refuses what exceeds the limits, before any decoder allocates memory.

A few bytes can claim gigabytes, or keep a decoder busy for minutes. Whatever decodes an image calls this first: the
shard step, the readers of records, the reports and `predict`. The graph of the exported model asserts the same limits
(graph_limits.py), so a tile that is accepted here is accepted there.
"""

import collections
import struct
import threading
from typing import NamedTuple

import numpy as np

from components.records.source_formats import MAX_SOURCE_BYTES

MAX_FILE_BYTES = MAX_SOURCE_BYTES
MAX_SIDE_PX = 8192
MAX_PIXELS = 25_000_000  # a camera's 24 megapixels; 75 MB as decoded RGB
MAX_CHUNKS = 2**14  # of a PNG; libpng writes one for every 8 KiB, and hardly any encoder writes smaller ones
MAX_TEXTS = 16  # compressed texts of a PNG, counted wherever their names are; libpng unpacks each, to as many as 8 MB
MAX_SEGMENTS = 1000  # of a JPEG, before its first scan; a colour profile may take 255
# Each scan of a JPEG makes the decoder pass over the whole image. Encoders write about ten. The marker of a scan counts
# wherever its two bytes are, so 64 MiB of anything else may hold 1,024 by chance.
MAX_SCANS = 1500
MAX_SCANNED_PIXELS = 1_500_000_000  # pixels times scans; about a second

JPEG_START = b"\xff\xd8\xff"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_HEADER = struct.Struct(">II5B")  # width, height, depth, colour type, compression, filter, interlace
START_OF_SCAN = b"\xff\xda"
COMPRESSED_TEXTS = (b"zTXt", b"iTXt")
_CHUNK = struct.Struct(">I4s")  # length and type; a checksum follows the content
_CRC_BYTES = 4
PNG_START = PNG_SIGNATURE + _CHUNK.pack(PNG_HEADER.size, b"IHDR")  # up to the header's content
# By colour type and depth; named as Pillow names what it decodes them to, if they have 8 bits.
_PNG_MODES = {
    (0, 1): "1", (0, 2): "L", (0, 4): "L", (0, 8): "L", (0, 16): "L",
    (2, 8): "RGB", (2, 16): "RGB",
    (3, 1): "P", (3, 2): "P", (3, 4): "P", (3, 8): "P",
    (4, 8): "LA", (4, 16): "LA",
    (6, 8): "RGBA", (6, 16): "RGBA",
}  # fmt: skip
_JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}  # by number of components

_FRAME = struct.Struct(">BHHB")  # of a JPEG: precision, height, width, number of components
_LENGTH = struct.Struct(">H")
_MARKER, _SCAN = 0xFF, 0xDA
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers of frame headers
# Those of the kinds that every decoder reads: with Huffman or arithmetic coding, progressive or not. TurboJPEG reads
# lossless ones, too, but cannot scale them down, and writes past the end of the array for the smaller picture.
FRAMES_READ = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_JPEG_BITS = 8
_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without content
_OUT_OF_PLACE = {0xD8, 0xD9}  # start and end of a file
_COUNTED_AT_ONCE = 2**20  # bytes
_REMEMBERED, _REMEMBERED_BYTES = 4, 2**20  # files of a thread, and of how many bytes at most


class DamagedImage(Exception):
    """Bytes that are not an image, or not a complete and undamaged one; the message gives the reason."""


class BeyondLimits(DamagedImage):
    """An image that is too large, or takes too long to decode, by its header; the message gives the limit."""


class NotRead(DamagedImage):
    """A sound image of a kind that is not read; the message names the kind, and what is read instead."""


class Header(NamedTuple):
    """What a file claims to be.

    Attributes:
      format: "JPEG" or "PNG".
      mode: Pillow's name for the kind of pixels, e.g. "RGB", "L" or "P", whatever the bits of a sample.
      is_16_bit: Whether a sample has 16 bits.
    """

    format: str
    width: int
    height: int
    mode: str
    is_16_bit: bool = False


class _Recent(threading.local):
    """The last files whose headers a thread has read."""

    def __init__(self) -> None:
        self.files = collections.deque[tuple[bytes, Header]](maxlen=_REMEMBERED)


_RECENT = _Recent()


def read_header(content: bytes) -> Header:
    """Returns the header of a JPEG or PNG within the limits.

    Raises:
      BeyondLimits: if it is too large or would take too long to decode.
      NotRead: for a JPEG that is lossless, hierarchical, or not of 8 bits.
      DamagedImage: if it is neither JPEG nor PNG, or its header is damaged.
    """
    # All of a file is looked through for scans, and each step on its way to pixels asks for its header.
    for known, header in _RECENT.files:
        if known is content:
            return header
    header = _read_header(content)
    if len(content) <= _REMEMBERED_BYTES:
        _RECENT.files.append((content, header))
    return header


def _read_header(content: bytes) -> Header:
    if content.startswith(JPEG_START):
        require_file_size(content)
        return _jpeg_header(content)
    if not content.startswith(PNG_SIGNATURE):
        raise DamagedImage("neither a JPEG nor a PNG")
    return png_header(content)


def png_header(content: bytes) -> Header:
    """Returns the header of a PNG within the limits, as read_header does; checksums are left to the decoder."""
    if not content.startswith(PNG_SIGNATURE):
        raise DamagedImage("not a readable PNG")
    require_file_size(content)
    start = len(PNG_START)
    if len(content) < start + PNG_HEADER.size:
        raise DamagedImage("it is cut off")
    if not content.startswith(PNG_START):
        raise DamagedImage("it does not begin with a header")
    width, height, depth, colour_type, compression, filtering, interlace = PNG_HEADER.unpack_from(content, start)
    mode = _PNG_MODES.get((colour_type, depth))
    if mode is None or not width or not height or compression or filtering or interlace > 1:
        raise DamagedImage("its header claims what no PNG has")
    require_size(width, height)
    if (num_texts := sum(map(content.count, COMPRESSED_TEXTS))) > MAX_TEXTS:
        raise BeyondLimits(f"{num_texts:,} compressed texts, at most {MAX_TEXTS} are read")
    _require_chunks(content, start + PNG_HEADER.size + _CRC_BYTES)
    return Header("PNG", width, height, mode, depth == 16)


def _require_chunks(content: bytes, at: int) -> None:
    """Checks the chunks from the second one on; a file that is cut off is left to the decoder."""
    last = len(content) - _CHUNK.size
    for _ in range(MAX_CHUNKS):
        if at > last:
            return
        length, kind = _CHUNK.unpack_from(content, at)
        if kind == b"IEND":
            return
        if kind == b"IHDR":  # Pillow would take its size from this one
            raise DamagedImage("it has two headers")
        at += _CHUNK.size + length + _CRC_BYTES
    raise BeyondLimits(f"at most {MAX_CHUNKS:,} chunks are read")


def _jpeg_header(content: bytes) -> Header:
    try:
        width, height, num_components = _jpeg_frame(content)
    except (IndexError, struct.error) as error:
        raise DamagedImage("it is cut off within its header") from error
    mode = _JPEG_MODES.get(num_components)
    if mode is None or not width or not height:
        raise DamagedImage("its header claims what no JPEG has")
    require_size(width, height)
    num_scans = _num_scans(content)
    if num_scans > MAX_SCANS or num_scans * width * height > MAX_SCANNED_PIXELS:
        most = min(MAX_SCANS, MAX_SCANNED_PIXELS // (width * height))
        raise BeyondLimits(f"{num_scans:,} scans, at most {most:,} of {width}x{height} px are read")
    return Header("JPEG", width, height, mode)


def _jpeg_frame(content: bytes) -> tuple[int, int, int]:
    """Returns width, height and number of components, from the only frame header before the first scan."""
    frame: tuple[int, ...] | None = None
    at = len(START_OF_SCAN)
    for _ in range(MAX_SEGMENTS):
        if content[at] != _MARKER:
            raise DamagedImage("its header holds bytes that belong to nothing")
        marker = content[at + 1]
        if marker == _MARKER:  # a fill byte
            at += 1
            continue
        if not marker:  # a decoder steps over both bytes, and looks for a marker in what follows
            raise DamagedImage("its header holds bytes that belong to nothing")
        at += 2
        if marker in _ALONE:
            continue
        if marker in _OUT_OF_PLACE:
            raise DamagedImage("it has no pixels")
        if marker == _SCAN:
            if frame is None:
                raise DamagedImage("it has no header")
            _, height, width, num_components = frame
            return width, height, num_components
        if marker in _FRAMES:
            if frame is not None:
                raise DamagedImage("it has two headers")
            frame = _FRAME.unpack_from(content, at + _LENGTH.size)
            if marker not in FRAMES_READ:
                raise NotRead("a lossless or hierarchical JPEG, which is not read; save it as a usual JPEG, or as PNG")
            if frame[0] != _JPEG_BITS:
                raise NotRead(f"a JPEG of {frame[0]} bits, which is not read; save it with 8 bits, or as PNG")
        at += max(_LENGTH.unpack_from(content, at)[0], _LENGTH.size)
    raise BeyondLimits(f"at most {MAX_SEGMENTS:,} segments are read before the pixels")


def _num_scans(content: bytes) -> int:
    if len(content) > _COUNTED_AT_ONCE:
        return content.count(START_OF_SCAN)
    # A fifth of the time of bytes.count.
    octets = np.frombuffer(content, np.uint8)
    return int(np.count_nonzero((octets[:-1] == START_OF_SCAN[0]) & (octets[1:] == START_OF_SCAN[1])))


def require_file_size(content: bytes) -> None:
    """Refuses a file that is too large.

    Raises:
      BeyondLimits: if it is.
    """
    if len(content) > MAX_FILE_BYTES:
        raise BeyondLimits(f"{len(content) >> 20} MiB, at most {MAX_FILE_BYTES >> 20} MiB are read")


def require_size(width: int, height: int) -> None:
    """Refuses a picture of too many pixels, or of too many a side.

    Raises:
      BeyondLimits: if it is.
    """
    if max(width, height) > MAX_SIDE_PX:
        raise BeyondLimits(f"{width}x{height} px, at most {MAX_SIDE_PX} px a side are read")
    if width * height > MAX_PIXELS:
        raise BeyondLimits(f"{width}x{height} px, at most {MAX_PIXELS:,} pixels are read")
