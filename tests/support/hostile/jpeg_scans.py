"""JPEGs that Pillow does not write: a scan for each component in any subsampling, cut off after a scan, or lossless."""

import io
import re
import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

END = b"\xff\xd9"


def in_scans(height: int, width: int, samplings: Sequence[tuple[int, int]]) -> bytes:
    """A sound JPEG of noise; `samplings` has, by component, how often it is sampled in a row and in a column."""
    most_across, most_down = (max(each) for each in zip(*samplings, strict=True))
    frame = struct.pack(">BHHB", 8, height, width, len(samplings))
    before, tables, scans = b"", b"", b""
    for number, (across, down) in enumerate(samplings):
        plane = _grey(-(-height * down // most_down), -(-width * across // most_across), number)
        start, table, scan = (plane.index(b"\xff" + marker) for marker in (b"\xc0", b"\xc4", b"\xda"))
        before, tables = plane[:start], plane[table:scan]  # the same for all
        frame += bytes([number + 1, across << 4 | down, 0])
        scans += b"\xff\xda" + struct.pack(">H6B", 8, 1, number + 1, 0, 0, 63, 0) + plane[scan + 10 : -len(END)]
    header = b"\xff\xc0" + struct.pack(">H", 2 + len(frame)) + frame
    return before + header + tables + scans + END


def cut_after_scan(content: bytes, number: int) -> bytes:
    """The file up to its scan of this number, counted from 1, and then an end as if nothing were missing."""
    starts = [match.start() for match in re.finditer(rb"\xff\xda", content)]
    return content[: starts[number]] + END


def lossless(pixels: NDArray[np.uint8], bits: int = 8) -> bytes:
    """A sound lossless JPEG of uint8 [H, W, B]: of each sample the difference from the one to its left (H.1.2.1)."""
    height, width, num_bands = pixels.shape
    samples = pixels.astype(int)
    before = np.concatenate([samples[:, :1], samples[:, :-1]], axis=1)
    before[1:, 0] = samples[:-1, 0]
    before[0, 0] = 1 << bits - 1
    text = ""
    for difference in (samples - before).ravel().tolist():
        size = abs(difference).bit_length()
        text += f"{size:05b}" + (
            f"{difference if difference > 0 else difference + 2**size - 1:0{size}b}" if size else ""
        )
    text += "1" * (-len(text) % 8)
    data = int(text, 2).to_bytes(len(text) // 8).replace(b"\xff", b"\xff\0")
    codes = bytes([0, 0, 0, 0, 17, *bytes(11), *range(17)])  # 17 codes of 5 bits, which are their own numbers
    components = b"".join(bytes([number + 1, 0x11, 0]) for number in range(num_bands))
    frame = struct.pack(">BHHB", bits, height, width, num_bands) + components
    scan = bytes([num_bands]) + b"".join(bytes([number + 1, 0]) for number in range(num_bands)) + bytes([1, 0, 0])
    segments = ((0xC3, frame), (0xC4, b"\0" + codes), (0xDA, scan))
    parts = [bytes([0xFF, kind]) + struct.pack(">H", len(body) + 2) + body for kind, body in segments]
    return b"\xff\xd8" + b"".join(parts) + data + END


def _grey(height: int, width: int, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=60)
    return buffer.getvalue()
