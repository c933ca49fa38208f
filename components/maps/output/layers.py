"""The pictures of a map's page: the ground in colour and as NDVI, and a transparent layer for each class and answer."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.maps.grid import Quicklook
from components.maps.output.preview import Shares

# Distinct on a field for colour-blind readers (after Okabe & Ito 2008 and Tol 2021), as in the data report.
COLOURS = ("#e69f00", "#56b4e9", "#cc79a7", "#f0e442", "#0072b2", "#d55e00", "#009e73", "#6a51e6", "#bbcc33")
# From bare to green: brown to blue-green, which differ in lightness too (ColorBrewer's BrBG, its lower half turned).
NDVI_COLOURS = ("#543005", "#bf812d", "#f6e8c3", "#5ab4ac", "#003c30")
_FADED = np.array([236, 239, 237], np.float32)  # what was not judged is mixed with this
_FADING = 0.8
_LEVELS = 4  # of opacity
_FILL = (70, 150)  # opacity where little of a pixel has the class, and where all of it has
_HATCH_PX, _HATCH_LINE_PX = 8, 3


def rgb_picture(quicklook: Quicklook) -> str:
    """Returns the ground in its colours, as the address of an image in a page; what was not judged is faded."""
    return _jpeg(_faded(quicklook.rgb, quicklook.valid))


def ndvi_picture(quicklook: Quicklook) -> tuple[str, float, float] | None:
    """Returns NDVI as such an address, and the values of its first and last colour; None without near infrared.

    The colours span all but the lowest and highest 2 % of what was judged: pixel values are not reflectances, so their
    NDVI is comparable within a picture only.
    """
    ndvi = quicklook.ndvi
    if ndvi is None or not (judged := quicklook.valid & np.isfinite(ndvi)).any():
        return None
    low, high = (float(end) for end in np.percentile(ndvi[judged], (2, 98)))
    if high - low < 0.01:  # all one colour
        low, high = low - 0.05, high + 0.05
    share = np.clip((np.where(judged, ndvi, low) - low) / (high - low), 0, 1) * (len(NDVI_COLOURS) - 1)
    stops = np.array([_rgb(colour) for colour in NDVI_COLOURS], np.float32)
    below = np.minimum(share.astype(int), len(stops) - 2)
    part = (share - below)[..., None]
    pixels = stops[below] * (1 - part) + stops[below + 1] * part
    return _jpeg(_faded(pixels.astype(np.uint8), quicklook.valid)), low, high


def class_layer(shares: Shares, colour: str, *, is_hatched: bool) -> str:
    """Returns where a class is as a transparent PNG, as the address of an image in a page.

    A pixel is the more opaque the more of it has the class, and each area has an edge, so that what is thinner than a
    pixel can be seen. What the model is not sure of is hatched and has no edge.
    """
    has = shares > 0
    levels = np.ceil(shares * _LEVELS).astype(np.uint8)  # 0 for none
    if is_hatched:
        row, column = np.indices(shares.shape)
        levels[(row + column) % _HATCH_PX >= _HATCH_LINE_PX] = 0
    else:
        around = np.pad(has, 1, constant_values=True)
        inner = has & around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
        levels[has & ~inner] = _LEVELS + 1
    opacity = [0, *np.linspace(*_FILL, _LEVELS).round().astype(int).tolist(), 255]
    picture = Image.fromarray(levels)
    picture.putpalette([*_rgb(colour)] * len(opacity))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=bytes(opacity), bits=4)
    return _address("png", buffer.getvalue())


def _faded(pixels: NDArray[np.uint8], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    faded = pixels.copy()
    faded[~valid] = (pixels[~valid] * (1 - _FADING) + _FADED * _FADING).astype(np.uint8)
    return faded


def _jpeg(pixels: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
    return _address("jpeg", buffer.getvalue())


def _address(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _rgb(colour: str) -> Any:
    return tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))
