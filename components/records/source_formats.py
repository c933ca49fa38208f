"""What image files a source may have, as data: read as they are, converted, or refused.

The suffix only tells images from other files; what a file is, its first bytes say.
"""

from typing import NamedTuple

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp")
MASK_SUFFIXES = (".png", ".tif", ".tiff")  # those without loss: JPEG and WebP smear the edges
TIFF_SUFFIXES = (".tif", ".tiff")
WHAT_IS_READ = "JPEG, PNG, TIFF or WebP"
MASKS_READ = "PNG or TIFF"
FULL_16_BIT = 2**16 - 1
MAX_SOURCE_BYTES = 64 * 2**20  # a tile of the dataset has 0.1 MB

# Formats that people have and that are not read: name, where its mark is, and the mark.
OTHER_STARTS = (
    ("GIF", 0, b"GIF8"),
    ("BMP", 0, b"BM"),
    ("JPEG 2000", 0, b"\0\0\0\x0cjP  "),
    ("JPEG 2000", 0, b"\xff\x4f\xff\x51"),
    ("HEIC", 4, b"ftyphei"),
    ("HEIC", 4, b"ftypmif1"),
    ("AVIF", 4, b"ftypavif"),
    ("JPEG XL", 0, b"\0\0\0\x0cJXL "),
    ("JPEG XL", 0, b"\xff\x0a"),
    ("HDF5 or NetCDF", 0, b"\x89HDF"),
    ("NetCDF", 0, b"CDF"),
    ("NumPy", 0, b"\x93NUMPY"),
)


class Format(NamedTuple):
    """A row of the table.

    Attributes:
      what: The files.
      fate: KEPT, CONVERTED or REFUSED.
      how: What a record holds of them; for what is refused, the beginning of the reason.
    """

    what: str
    fate: str
    how: str


KEPT, CONVERTED, REFUSED = "read", "converted", "refused"

_UPPER_BITS = "scaled to 8 bits by `shard_max_16_bit`"
FORMATS = (
    Format("JPEG: RGB, grey or CMYK", KEPT, "byte for byte"),
    Format("PNG: RGB, grey, palette or 1 bit, with or without alpha", KEPT, "byte for byte; alpha is not used"),
    Format("PNG of 16 bits, full range", KEPT, "byte for byte; the upper 8 bits are used"),
    Format("PNG of 16 bits, with `shard_max_16_bit`", CONVERTED, f"PNG, {_UPPER_BITS}"),
    Format("JPEG or PNG that EXIF says is turned", CONVERTED, "PNG, turned; where NIR or masks lie on it, refused"),
    Format("TIFF or GeoTIFF of 8 bits: grey, RGB, with or without alpha", CONVERTED, "PNG; alpha is not used"),
    Format("TIFF or GeoTIFF of 16 bits", CONVERTED, f"PNG, {_UPPER_BITS}"),
    Format("TIFF or GeoTIFF of four bands: red, green, blue, near infrared", CONVERTED, "two PNGs, RGB and NIR"),
    Format("WebP", CONVERTED, "PNG; alpha is not used"),
    Format("Mask: PNG or TIFF with 0 and 255, or 1 bit", CONVERTED, "PNG of 1 bit"),
    Format("Mask: PNG or TIFF with 0 and 1", CONVERTED, "PNG of 1 bit; a remark in the data report"),
    Format("Mask: PNG of a palette, colour 0 black, one other in use", CONVERTED, "PNG of 1 bit; a remark as well"),
    Format("Mask: other values or palettes", REFUSED, "expected"),
    Format("Mask: turned, by EXIF or the TIFF's own tag", REFUSED, "EXIF orientation"),
    Format("Mask: JPEG or WebP", REFUSED, "not a readable PNG or TIFF file"),
    Format("JPEG: lossless or hierarchical", REFUSED, "a lossless or hierarchical JPEG"),
    Format("JPEG of 12 or 16 bits", REFUSED, "a JPEG of"),
    Format("JPEG: progressive, without its last scans", REFUSED, "damaged or truncated"),
    Format("TIFF: signed, floating-point, 12 or 32 bits", REFUSED, "a TIFF with samples of"),
    Format("TIFF: two pictures, or a mask inside", REFUSED, "a TIFF with"),
    Format("TIFF: compression other than LZW, deflate, PackBits", REFUSED, "a TIFF with compression"),
    Format("TIFF: palette, CMYK, YCbCr", REFUSED, "a TIFF of"),
    Format("TIFF: five bands or more", REFUSED, "a TIFF of 5 bands"),
    Format("BigTIFF", REFUSED, "a BigTIFF"),
    Format("WebP: animated", REFUSED, "an animated WebP"),
    Format("GIF, BMP, JPEG 2000, HEIC, AVIF, JPEG XL, NetCDF, NumPy", REFUSED, "a "),
)
