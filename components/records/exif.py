"""The orientation that a camera states beside the pixels: people's viewers heed it, TensorFlow's decoders do not."""

import struct
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from components.records.image_header import JPEG_START, MAX_CHUNKS, MAX_SEGMENTS, PNG_SIGNATURE
from components.records.tiff_header import orientation_in

_START, _CHUNK = b"Exif\0\0", b"eXIf"
_APP1, _SCAN, _FILL = 0xE1, 0xDA, 0xFF
_TURNS: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels, 1),
}


def orientation(content: bytes) -> int:
    """Returns the orientation that a JPEG, a PNG or a WebP states, 1 to 8; 1 if it states none that can be read."""
    if content.startswith(JPEG_START):
        blocks = _of_jpeg(content)
    elif content.startswith(PNG_SIGNATURE):
        blocks = _of_chunks(content, len(PNG_SIGNATURE), ">I4s", _CHUNK, 4)
    else:
        blocks = _of_chunks(content, 12, "<4sI", b"EXIF", 0)
    block = next(blocks, b"")
    return orientation_in(block.removeprefix(_START))


def upright(pixels: NDArray[np.uint8], stated: int) -> NDArray[np.uint8]:
    """Returns pixels, uint8 [H, W, B], turned as an orientation states."""
    return np.ascontiguousarray(_TURNS[stated](pixels)) if stated in _TURNS else pixels


def _of_jpeg(content: bytes) -> Iterator[bytes]:
    at = len(JPEG_START) - 1
    for _ in range(MAX_SEGMENTS):
        if at + 4 > len(content) or content[at] != _FILL or content[at + 1] == _SCAN:
            return
        if content[at + 1] == _FILL:
            at += 1
            continue
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4])
        if content[at + 1] == _APP1 and content.startswith(_START, at + 4):
            yield content[at + 4 : end]
        at = max(end, at + 4)


def _of_chunks(content: bytes, at: int, frame: str, wanted: bytes, num_after: int) -> Iterator[bytes]:
    """Yields the chunks of one kind, of a PNG or of a WebP, whose chunks have even lengths."""
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(content):
            return
        first, second = struct.unpack_from(frame, content, at)
        kind, length = (first, second) if isinstance(first, bytes) else (second, first)
        if kind == wanted:
            yield content[at + 8 : at + 8 + length]
        at += 8 + length + (num_after or length % 2)
