"""Reads the directory of a TIFF or GeoTIFF and refuses what exceeds the limits, before any pixel is unpacked.

What is read is stated here as data: kinds of samples, compressions, and limits. Everything else is refused by name, so
that no picture is read in another way than it was meant. Nothing is trusted: every count and place is checked against
the file's size, and all strips together may not claim more bytes than the file has.
"""

import itertools
import struct
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from components.records.image_header import (
    MAX_PIXELS,
    BeyondLimits,
    DamagedImage,
    NotRead,
    require_file_size,
    require_size,
)

TIFF_STARTS = (b"II*\0", b"MM\0*")
BIG_TIFF_STARTS = (b"II+\0", b"MM\0+")
MAX_ENTRIES = 1000  # of a directory; a GeoTIFF has about 25
MAX_DIRECTORIES = 32  # the picture and its overviews
MAX_BLOCKS = 2**14  # strips or tiles; each costs a call of a decoder
MAX_UNPACKED_BYTES = 4 * MAX_PIXELS  # 24 megapixels of four bands, or a third of that with 16 bits
COMPRESSIONS = {1: "none", 5: "LZW", 8: "deflate", 32946: "deflate", 32773: "PackBits"}
_OTHER_COMPRESSIONS = {
    2: "CCITT", 3: "CCITT", 4: "CCITT", 6: "JPEG", 7: "JPEG", 34712: "JPEG 2000", 34887: "LERC", 34925: "LZMA",
    50000: "ZSTD", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
_OTHER_COLOURS = {
    3: "a palette",
    4: "a transparency mask",
    5: "CMYK",
    6: "YCbCr",
    8: "CIELab",
    32803: "a colour filter",
}
_SAMPLE_FORMATS = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}

# Tags (TIFF 6.0).
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _COLOUR = 254, 256, 257, 258, 259, 262
_FILL_ORDER, _STRIPS, _ORIENTATION, _SAMPLES, _ROWS, _STRIP_BYTES = 266, 273, 274, 277, 278, 279
_PLANES, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 284, 317, 322, 323, 324, 325
_EXTRA, _SAMPLE_FORMAT = 338, 339
# Types of values that are whole numbers: their size and code.
_WHOLE = {1: (1, "B"), 3: (2, "H"), 4: (4, "I")}
_OVERVIEW = 1  # in the tag of subfiles: the same picture, smaller
_ALPHA = (1, 2)  # of an extra sample: associated, or not

_Entries: TypeAlias = dict[int, tuple[int, int, int]]  # by tag: type, number of values, and where they are


class Block(NamedTuple):
    """A strip or tile: where its bytes are, and the first row, column and band that it fills."""

    start: int
    num_bytes: int
    row: int
    column: int
    band: int


class TiffHeader(NamedTuple):
    """What a TIFF claims to be.

    Attributes:
      order: Of bytes: "<" or ">".
      bits: Of a sample: 1, 8 or 16.
      num_bands: Samples of a pixel, 1 to 4.
      has_alpha: Whether the last band is named as alpha.
      is_inverted: Whether 0 is white.
      is_planar: Whether each band has blocks of its own.
      has_differences: Whether a row holds differences to the pixel on the left.
      orientation: As of EXIF, 1 to 8.
      block_width, block_height: Of a strip or tile in pixels; the last ones reach beyond the picture.
      is_tiled: Whether its blocks are tiles, which are whole even where they reach beyond the picture.
    """

    order: str
    width: int
    height: int
    bits: int
    num_bands: int
    has_alpha: bool
    is_inverted: bool
    compression: int
    is_planar: bool
    has_differences: bool
    orientation: int
    block_width: int
    block_height: int
    is_tiled: bool
    blocks: tuple[Block, ...]

    @property
    def format(self) -> str:
        """As of the other formats' headers."""
        return "TIFF"

    @property
    def is_16_bit(self) -> bool:
        """Whether a sample has 16 bits."""
        return self.bits == 16

    @property
    def mode(self) -> str:
        """The kind of pixels, named as in image_header.py; "RGBN" has near infrared."""
        if self.bits == 1:
            return "1"
        return {1: "L", 2: "LA", 3: "RGB", 4: "RGBA" if self.has_alpha else "RGBN"}[self.num_bands]


def tiff_header(content: bytes) -> TiffHeader:
    """Returns the header of the first picture, which must be the only one but for smaller copies of it.

    Raises:
      BeyondLimits: if it is too large or would take too long to decode.
      NotRead: if it is of a kind that is not read.
      DamagedImage: if it is no TIFF, or damaged.
    """
    require_file_size(content)
    if content.startswith(BIG_TIFF_STARTS):
        raise NotRead("a BigTIFF, which is not read; write it as a TIFF")
    if not content.startswith(TIFF_STARTS):
        raise DamagedImage("not a readable TIFF")
    order = "<" if content.startswith(b"II") else ">"
    try:
        (at,) = struct.unpack_from(f"{order}I", content, 4)
        entries, following = _directory(content, order, at)
        _require_one_picture(content, order, following)
        return _header(_Values(content, order, entries))
    except struct.error as error:
        raise DamagedImage("it is cut off") from error


def orientation_in(block: bytes) -> int:
    """Returns the orientation, 1 to 8, that EXIF's block of bytes states; 1 if it states none, or is damaged."""
    if not block.startswith(TIFF_STARTS):
        return 1
    order = "<" if block.startswith(b"II") else ">"
    try:
        entries, _ = _directory(block, order, struct.unpack_from(f"{order}I", block, 4)[0])
        stated = _Values(block, order, entries).one(_ORIENTATION, 1)
    except (struct.error, DamagedImage):
        return 1
    return stated if 1 <= stated <= 8 else 1


class _Values:
    """The values of a directory's entries."""

    def __init__(self, content: bytes, order: str, entries: _Entries) -> None:
        self.content, self.order, self._entries = content, order, entries

    def all(self, tag: int, default: tuple[int, ...] = (), most: int = 16) -> tuple[int, ...]:
        if tag not in self._entries:
            return default
        kind, count, at = self._entries[tag]
        if kind not in _WHOLE:
            raise DamagedImage(f"its tag {tag} is no whole number")
        if count > most:
            raise BeyondLimits(f"{count:,} values of its tag {tag}, at most {most:,} are read")
        size, code = _WHOLE[kind]
        if count * size > 4:
            (at,) = struct.unpack_from(f"{self.order}I", self.content, at)
        return struct.unpack_from(f"{self.order}{count}{code}", self.content, at)

    def one(self, tag: int, default: int) -> int:
        values = self.all(tag, (default,))
        if len(values) != 1:
            raise DamagedImage(f"its tag {tag} has {len(values)} values, expected 1")
        return values[0]


def _directory(content: bytes, order: str, at: int) -> tuple[_Entries, int]:
    """Returns the entries of a directory, and where the next directory is; 0 if there is none."""
    (count,) = struct.unpack_from(f"{order}H", content, at)
    if count > MAX_ENTRIES:
        raise BeyondLimits(f"{count:,} entries in a directory, at most {MAX_ENTRIES:,} are read")
    entries: _Entries = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", content, entry)
        if tag in entries:
            raise DamagedImage(f"it has tag {tag} twice")
        entries[tag] = (kind, number, entry + 8)
    if at + 2 + 12 * count + 4 > len(content):  # as in EXIF, which has no further one
        return entries, 0
    return entries, struct.unpack_from(f"{order}I", content, at + 2 + 12 * count)[0]


def _require_one_picture(content: bytes, order: str, at: int) -> None:
    for _ in range(MAX_DIRECTORIES):
        if not at:
            return
        entries, at = _directory(content, order, at)
        kind = _Values(content, order, entries).one(_SUBFILE, 0)
        if kind != _OVERVIEW:
            came = "a mask beside the picture" if kind & 4 else "several pages"
            raise NotRead(f"a TIFF with {came}, which is not read; write one picture a file")
    raise BeyondLimits(f"at most {MAX_DIRECTORIES} directories are read")


def _header(values: _Values) -> TiffHeader:
    width, height = values.one(_WIDTH, 0), values.one(_HEIGHT, 0)
    if not width or not height:
        raise DamagedImage("its header claims what no TIFF has")
    require_size(width, height)
    num_bands = values.one(_SAMPLES, 1)
    if not 1 <= num_bands <= 4:
        raise NotRead(f"a TIFF of {num_bands} bands; 1 to 4 are read: grey, RGB, and RGB with near infrared")
    bits = _bits(values, num_bands)
    colour = values.one(_COLOUR, 1)
    if colour not in (0, 1, 2) or (colour == 2 and num_bands < 3) or (colour == 0 and num_bands > 1):
        raise NotRead(f"a TIFF of {_OTHER_COLOURS.get(colour, f'colours {colour}')}; grey and RGB are read")
    compression = values.one(_COMPRESSION, 1)
    if compression not in COMPRESSIONS:
        name = _OTHER_COMPRESSIONS.get(compression, f"kind {compression}")
        raise NotRead(f"a TIFF with compression {name}; none, LZW, deflate and PackBits are read")
    predictor, fill_order = values.one(_PREDICTOR, 1), values.one(_FILL_ORDER, 1)
    if predictor not in (1, 2) or (predictor == 2 and bits == 1) or fill_order != 1:
        raise NotRead(f"a TIFF with predictor {predictor} and bits in order {fill_order}, which is not read")
    orientation = values.one(_ORIENTATION, 1)
    if (planes := values.one(_PLANES, 1)) not in (1, 2):
        raise NotRead(f"a TIFF with bands in order {planes}, which is not read; by pixel and by band are")
    header = TiffHeader(
        order=values.order,
        width=width,
        height=height,
        bits=bits,
        num_bands=num_bands,
        has_alpha=num_bands in (2, 4) and values.all(_EXTRA, (0,))[-1:] in [(kind,) for kind in _ALPHA],
        is_inverted=colour == 0,
        compression=compression,
        is_planar=planes == 2 and num_bands > 1,
        has_differences=predictor == 2 and compression in (5, 8, 32946),
        orientation=orientation if 1 <= orientation <= 8 else 1,
        block_width=width,
        block_height=min(values.one(_ROWS, height), height),
        is_tiled=False,
        blocks=(),
    )
    if values.all(_TILE_WIDTH):
        header = header._replace(
            block_width=values.one(_TILE_WIDTH, 0), block_height=values.one(_TILE_HEIGHT, 0), is_tiled=True
        )
    return header._replace(blocks=tuple(_blocks(header, values)))


def _bits(values: _Values, num_bands: int) -> int:
    all_bits = set(values.all(_BITS, (1,)))
    formats = set(values.all(_SAMPLE_FORMAT, (1,)))
    kinds = [name for number, name in _SAMPLE_FORMATS.items() if number in formats]
    if len(all_bits) != 1 or not all_bits <= {1, 8, 16} or (all_bits == {1} and num_bands > 1) or kinds:
        came = " and ".join(map(str, sorted(all_bits))) + " bits" + "".join(f", {kind}" for kind in kinds)
        raise NotRead(f"a TIFF with samples of {came}; whole numbers from 0 on, of 8 or 16 bits, are read")
    return all_bits.pop()


def _blocks(header: TiffHeader, values: _Values) -> Iterator[Block]:
    """Yields the strips or tiles in order, after a check of their number, size and place."""
    wide, high = header.block_width, header.block_height
    if not wide or not high:
        raise DamagedImage("its header claims what no TIFF has")
    across, down = -(-header.width // wide), -(-header.height // high)
    bands = range(header.num_bands if header.is_planar else 1)
    num_blocks = across * down * len(bands)
    if num_blocks > MAX_BLOCKS:
        raise BeyondLimits(f"{num_blocks:,} strips or tiles, at most {MAX_BLOCKS:,} are read")
    # Tiles are whole, even those that reach beyond the picture.
    unpacked = across * wide * down * high * header.num_bands * max(1, header.bits // 8)
    if unpacked > MAX_UNPACKED_BYTES:
        raise BeyondLimits(f"{unpacked >> 20} MiB of pixels, at most {MAX_UNPACKED_BYTES >> 20} MiB are read")
    tags = (_TILES, _TILE_BYTES) if header.is_tiled else (_STRIPS, _STRIP_BYTES)
    starts, sizes = (values.all(tag, most=MAX_BLOCKS) for tag in tags)
    if not len(starts) == len(sizes) == num_blocks:
        raise DamagedImage(f"it has {len(starts)} strips or tiles, expected {num_blocks}")
    length = len(values.content)
    if sum(sizes) > length or any(start + size > length for start, size in zip(starts, sizes, strict=True)):
        raise DamagedImage("it is cut off, or its strips overlap")
    places = itertools.product(bands, range(0, down * high, high), range(0, across * wide, wide))
    for start, size, (band, row, column) in zip(starts, sizes, places, strict=True):
        yield Block(start, size, row, column, band)
