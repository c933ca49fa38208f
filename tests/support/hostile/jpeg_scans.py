"""JPEGs that Pillow does not write: with a scan for each component, in any subsampling, or cut off after a scan."""

import io
import re
import struct
from collections.abc import Sequence

import numpy as np
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


def _grey(height: int, width: int, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=60)
    return buffer.getvalue()
