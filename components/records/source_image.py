"""Checks and decodes the source's image files, and turns each into what a record holds: a JPEG or a PNG.

Files decode to exactly the pixels that a model sees in training and serving, but the checks are stricter: damage that a
decoder could skip with a warning is refused here. The header tells first what kind of picture it is and how large. What
is read, converted and refused stands as data in source_formats.py.
"""

import contextlib
import dataclasses
import io
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.records import exif, jpeg, tiff, webp
from components.records.image_header import (
    JPEG_START,
    PNG_SIGNATURE,
    BeyondLimits,
    DamagedImage,
    Header,
    NotRead,
    read_header,
)
from components.records.source_formats import FULL_16_BIT, OTHER_STARTS, WHAT_IS_READ
from components.records.tiff_header import BIG_TIFF_STARTS, TIFF_STARTS, TiffHeader, tiff_header

# Pillow's modes, and their names for people; RGBN is ours. Any other mode is refused.
MODE_NAMES = {
    "RGB": "RGB",
    "L": "1 band",
    "1": "1 band of 1 bit",
    "LA": "1 band with alpha",
    "P": "a palette",
    "RGBA": "RGB with alpha",
    "RGBN": "RGB with near infrared",
    "CMYK": "CMYK",
}
RGB_MODES = ("RGB",)
# The modes of users' own pictures. The decoder turns each into RGB and drops alpha.
ANY_COLOUR_MODES = tuple(MODE_NAMES)
FOUR_BAND_MODES = ("RGBN",)
NIR_MODES = ("L",)

_TIFF_STARTS = (*TIFF_STARTS, *BIG_TIFF_STARTS)
_ROWS_AT_ONCE = 256  # scaled to 8 bits in one go, which takes ten times their bytes
# zlib's level. On photographs of 512 px, 1 takes a third of the time of 6, Pillow's default, and 10 % more bytes.
_PNG_OPTIONS = {"compress_level": 1}


class BadImage(Exception):
    """A file that cannot be used; the message is the reason, without the file's name."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A file that was read.

    Attributes:
      pixels: What a model sees, uint8 [H, W, B], B 1 or 3.
      nir: The near-infrared band of a TIFF that has four, uint8 [H, W, 1]; None if there is none.
      original: The file itself if a record can hold it as it is; None if the pixels must be stored anew.
      is_16_bit: Whether the file has 16 bits a sample.
      remark: What was done with it that a person should know; empty if nothing.
      scaled_from: Height and width of the file, if its decoder scaled it down; else None.
    """

    pixels: NDArray[np.uint8]
    nir: NDArray[np.uint8] | None = None
    original: bytes | None = None
    is_16_bit: bool = False
    remark: str = ""
    scaled_from: tuple[int, int] | None = None

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the file, upright."""
        return self.scaled_from or (self.pixels.shape[0], self.pixels.shape[1])

    def stored(self) -> bytes:
        """Returns the picture as a record holds it: the file byte for byte, or a PNG without loss."""
        return as_png(self.pixels) if self.original is None else self.original

    def nir_picture(self) -> "Picture":
        """Returns the near-infrared band as a picture of its own; there must be one."""
        assert self.nir is not None
        return Picture(self.nir, is_16_bit=self.is_16_bit)


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    """Returns uint8 [H, W, B], B 1 or 3, as a PNG; equal pixels give equal bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels if pixels.shape[-1] > 1 else pixels[..., 0]).save(buffer, "PNG", **_PNG_OPTIONS)
    return buffer.getvalue()


def read_picture(
    content: bytes,
    num_bands: int,
    modes: Sequence[str],
    *,
    max_16_bit: int = FULL_16_BIT,
    is_alone: bool = False,
    takes_nir: bool = False,
    ratio: int = 1,
) -> Picture:
    """Reads a whole file of any format that is read.

    Args:
      content: The file.
      num_bands: 3 for RGB, 1 for grey.
      modes: Those that are accepted.
      max_16_bit: The value of 16 bits above which everything is white; see to_8_bits.
      is_alone: Whether no other file must lie pixel upon pixel on it. Then it is turned as its EXIF orientation states;
        otherwise a file that states one is refused, since nobody knows whether the others are turned.
      takes_nir: Whether the fourth band of a TIFF is near infrared, even if the file calls it alpha.
      ratio: By which an upright JPEG is scaled down while it is decoded, see jpeg.decode.

    Raises:
      BadImage: if it is too large, of a kind that is not read, has a mode not in `modes`, or is damaged or truncated.
    """
    header = _header(content, modes, takes_nir)
    raw: NDArray[np.uint8] | NDArray[np.uint16]
    original: bytes | None = None
    with decoding():
        orientation = orientation_of(content, header)
        ratio = ratio if header.format == "JPEG" and orientation == 1 else 1
        if isinstance(header, TiffHeader):
            raw = tiff.decode(content, header)
        elif header.format == "WebP":
            raw = webp.decode(content)
        elif header.is_16_bit and max_16_bit != FULL_16_BIT:
            raw = jpeg.decode_16_bits(content, num_bands)
        else:  # TensorFlow's decoder takes the upper 8 of 16 bits, which is the rule for the full range
            original, raw = content, jpeg.decode(content, num_bands, ratio)
    remark, nir = "", None
    if orientation != 1:
        if not is_alone:
            raise turned_image(orientation)
        original, remark = None, f"turned by EXIF orientation {orientation}"
    pixels = exif.upright(to_8_bits(raw, max_16_bit), orientation)
    if header.mode == "RGBN":
        nir = np.ascontiguousarray(pixels[..., 3:])
        if not takes_nir:
            remark = "; ".join(filter(None, (remark, "its near infrared is not used, because the dataset is RGB")))
    colours = pixels[..., : 3 if pixels.shape[-1] >= 3 else 1]
    if colours.shape[-1] < num_bands:
        colours = np.repeat(colours, num_bands, axis=-1)
    scaled_from = (header.height, header.width) if ratio > 1 else None
    return Picture(np.ascontiguousarray(colours), nir, original, header.is_16_bit, remark, scaled_from)


def decode_bands(
    content: bytes, num_bands: int, modes: Sequence[str], max_16_bit: int = FULL_16_BIT
) -> NDArray[np.uint8]:
    """Returns the pixels alone, uint8 [H, W, num_bands]; see read_picture."""
    return read_picture(content, num_bands, modes, max_16_bit=max_16_bit, is_alone=True).pixels


def as_record_holds(
    content: bytes, takes_nir: bool, max_16_bit: int = FULL_16_BIT, is_alone: bool = True
) -> tuple[bytes, bytes]:
    """Returns the RGB and, if it is taken from the same file, the NIR of a file of any format, as sharding stores them.

    A model that is asked about a file must get these bytes, because its graph decodes only JPEG and PNG.

    Raises:
      BadImage: if the file cannot be read.
    """
    modes = FOUR_BAND_MODES if takes_nir else ANY_COLOUR_MODES
    picture = read_picture(content, 3, modes, max_16_bit=max_16_bit, is_alone=is_alone, takes_nir=takes_nir)
    return picture.stored(), picture.nir_picture().stored() if takes_nir else b""


def nir_as_record_holds(content: bytes, max_16_bit: int = FULL_16_BIT) -> bytes:
    """Returns a file of near infrared alone as sharding stores it.

    Raises:
      BadImage: if the file cannot be read, or has not one band.
    """
    return read_picture(content, 1, NIR_MODES, max_16_bit=max_16_bit).stored()


def to_8_bits(values: NDArray[np.uint8] | NDArray[np.uint16], max_16_bit: int) -> NDArray[np.uint8]:
    """Returns samples of 16 bits as 8 bits, by one rule for a whole dataset, so that tiles can be compared.

    A value v becomes v * 256 / (max_16_bit + 1), rounded down: every one of the 256 results stands for equally many
    values up to max_16_bit, and what is above is 255. For the full range these are the upper 8 bits, which TensorFlow's
    decoder takes, too. Samples of 8 bits stay as they are.
    """
    if values.dtype == np.uint8:
        return values  # type: ignore[return-value]
    scaled = np.empty(values.shape, np.uint8)
    for at in range(0, len(values), _ROWS_AT_ONCE):
        rows = values[at : at + _ROWS_AT_ONCE].astype(np.uint32)
        scaled[at : at + _ROWS_AT_ONCE] = np.minimum(rows * np.uint32(256) // np.uint32(max_16_bit + 1), 255)
    return scaled


def _header(content: bytes, modes: Sequence[str], takes_nir: bool) -> Header | TiffHeader:
    """Reads the header and refuses files that cannot be used, before they are decoded."""
    header = image_header_of(content, WHAT_IS_READ)
    mode = header.mode
    if takes_nir and isinstance(header, TiffHeader) and header.num_bands == 4:
        mode = "RGBN"
        header = header._replace(has_alpha=False)
    if mode not in modes:
        raise BadImage(f"expected {' or '.join(MODE_NAMES[each] for each in modes)}, got {MODE_NAMES[mode]}")
    return header


def image_header_of(content: bytes, what_is_read: str) -> Header | TiffHeader:
    """Returns the header of a file of any format that is read; `what_is_read` names those wanted, for messages.

    Raises:
      BadImage: if there is none, or the file exceeds a limit.
    """
    if not content:
        raise BadImage("empty file (0 bytes)")
    try:
        if content.startswith((JPEG_START, PNG_SIGNATURE)):
            return read_header(content)
        if content.startswith(_TIFF_STARTS):
            return tiff_header(content)
        if webp.is_webp(content):
            return Header("WebP", *webp.webp_size(content), "RGB")
    except (BeyondLimits, NotRead) as error:
        raise BadImage(str(error)) from error
    except DamagedImage as error:
        raise BadImage(f"not a readable {what_is_read} file") from error
    for name, at, start in OTHER_STARTS:
        if content.startswith(start, at):
            raise BadImage(f"a {name} file, which is not read; expected {what_is_read}")
    raise BadImage(f"not a readable {what_is_read} file")


def orientation_of(content: bytes, header: Header | TiffHeader) -> int:
    """Returns the orientation that a file states, 1 to 8; 1 is upright."""
    return header.orientation if isinstance(header, TiffHeader) else exif.orientation(content)


def turned_image(orientation: int) -> BadImage:
    """Returns why a file that is turned is refused where another lies pixel upon pixel on it."""
    return BadImage(
        f"EXIF orientation {orientation}: it lies turned in its file, and other files lie on its pixels; "
        "save it upright"
    )


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """Turns whatever a decoder says of a file into a reason to reject it."""
    try:
        yield
    except (BeyondLimits, NotRead) as error:
        raise BadImage(str(error)) from error
    except Exception as error:  # e.g. a MemoryError: it must not end a run that names no tile
        raise BadImage("damaged or truncated") from error


def band_histogram(pixels: NDArray[np.uint8], valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Counts the valid pixels by value.

    Args:
      pixels: uint8 [H, W, B], B 1 or 3.
      valid: bool [H, W].

    Returns:
      int64 [B, 256].
    """
    num_bands = pixels.shape[-1]
    # Pillow counts all bands in one pass in C and without the interpreter lock, twice as fast as numpy.bincount.
    image = Image.fromarray(pixels if num_bands > 1 else pixels[..., 0])
    mask = None if valid.all() else Image.fromarray(valid.astype(np.uint8) * np.uint8(255))
    return np.asarray(image.histogram(mask), np.int64).reshape(num_bands, 256)
