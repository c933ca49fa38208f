"""Images that attack their decoder, by much memory or much time for few bytes, and what each path does with them."""

import contextlib
import io
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from bounded import Cost
from hostile_tiffs import OF_SOURCES
from jpeg_scans import lossless
from PIL import Image
from small_source import plan, write_file, write_tile

from components.agrivision import CLASS_FOLDERS, RGB_BANDS
from components.contracts import Inventory, Rejection, SourceFile, SourceTile
from components.errors import DataError
from components.merge.report import quarantine
from components.predict.checked import checked_record, checks_of
from components.predict.tile_files import TileFiles
from components.records.image_header import DamagedImage, read_header
from components.records.tile_decoder import decode_tile
from components.records.tile_record import Record, deserialize, serialize
from components.shard.tile_check import check_tile

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int, height: int, colour_type: int = 0, depth: int = 8) -> bytes:
    return chunk(b"IHDR", struct.pack(">II5B", width, height, depth, colour_type, 0, 0, 0))


def png(*parts: bytes, rows: bytes = bytes(9)) -> bytes:
    return SIGNATURE + b"".join(parts) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def zeros(num_bytes: int) -> bytes:
    """That many zeros, compressed, without having them in memory."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(min(2**20, num_bytes - at))) for at in range(0, num_bytes, 2**20)]
    return b"".join(parts) + packer.flush()


def of_zeros(width: int, height: int, colour_type: int = 0, depth: int = 8) -> bytes:
    """A sound PNG that is black throughout."""
    samples = {0: 1, 2: 3}[colour_type]
    rows = chunk(b"IDAT", zeros(height * (1 + width * samples * depth // 8)))
    return SIGNATURE + header(width, height, colour_type, depth) + rows + chunk(b"IEND", b"")


def jpeg(side: int, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (side, side)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def repeated_scans(side: int, count: int) -> bytes:
    """A progressive JPEG whose last scan comes that often again."""
    content = jpeg(side, progressive=True)
    start = content.rindex(b"\xff\xda")
    return content[:-2] + content[start:-2] * count + b"\xff\xd9"


def two_frames(side: int) -> bytes:
    """A JPEG with a second header, of another size."""
    content = jpeg(16)
    start = content.index(b"\xff\xc0")
    frame = bytearray(content[start : start + 2 + int.from_bytes(content[start + 2 : start + 4])])
    frame[5:9] = struct.pack(">HH", side, side)
    return content[:start] + frame + content[start:]


def claiming(side: int) -> bytes:
    content = bytearray(jpeg(16))
    start = content.index(b"\xff\xc0")
    content[start + 5 : start + 9] = struct.pack(">HH", side, side)
    return bytes(content)


def hidden_frame(side: int) -> bytes:
    """A JPEG with a header of another size, which only a decoder sees: it steps over the two bytes before."""
    content = jpeg(16)
    start = content.index(b"\xff\xc0")
    frame = bytearray(content[start : start + 2 + int.from_bytes(content[start + 2 : start + 4])])
    frame[5:9] = struct.pack(">HH", side, side)
    return after_start(b"\xff\0" + (len(frame) + 2).to_bytes(2) + frame)


def after_start(more: bytes) -> bytes:
    """A JPEG with more before its first segment."""
    content = jpeg(16)
    return content[:2] + more + content[2:]


def animated() -> bytes:
    """A PNG whose animation claims another size than its header."""
    control = struct.pack(">5I2H2B", 0, 60_000, 60_000, 0, 0, 1, 1, 0, 0)
    return png(header(8, 8), chunk(b"acTL", struct.pack(">II", 1, 0)), chunk(b"fcTL", control), rows=bytes(72))


TEXT_BOMB = chunk(b"zTXt", b"a\0\0" + zeros(2**26))
# By name: the file, and whether it is sound for all that, so that it must be read as it is.
IMAGES: dict[str, tuple[Callable[[], bytes], bool | str]] = {
    "two headers": (lambda: png(header(8, 1), header(30_000, 30_000)), False),
    "a header for 359 bytes": (lambda: png(header(2**31 - 1, 2**31 - 1, 2, 16), rows=bytes(2**18)), False),
    "a header without rows": (lambda: png(header(5_000, 5_000)), False),
    "20,000 px a side": (lambda: of_zeros(20_000, 20_000), False),
    "8,192 px a side": (lambda: of_zeros(8_192, 8_192), False),
    "many rows in few bytes": (lambda: png(header(8, 8), rows=bytes(2**26)), False),
    "empty chunks": (lambda: png(header(8, 8), chunk(b"tEXt", b"") * 2_000_000, rows=bytes(72)), False),
    "empty rows": (lambda: png(header(8, 8), chunk(b"IDAT", b"") * 2_000_000, rows=bytes(72)), False),
    "texts that unpack": (lambda: png(header(8, 8), TEXT_BOMB * 100, rows=bytes(72)), False),
    "a few texts that unpack": (lambda: png(header(8, 8), TEXT_BOMB * 16, rows=bytes(72)), True),
    "a profile that unpacks": (
        lambda: png(header(8, 8), chunk(b"iCCP", b"a\0\0" + zeros(2**26)) * 100, rows=bytes(72)),
        True,
    ),
    "an animation": (animated, True),
    "the largest PNG": (lambda: of_zeros(5_000, 5_000), True),
    "repeated scans": (lambda: repeated_scans(8_000, 9_000), False),
    "repeated scans within the size": (lambda: repeated_scans(5_000, 300), False),
    "repeated scans of a small image": (lambda: repeated_scans(512, 100_000), False),
    "two frames": (lambda: two_frames(30_000), False),
    "a hidden frame": (lambda: hidden_frame(30_000), False),
    "a lossless JPEG": (lambda: lossless(np.zeros((64, 64, 3), np.uint8)), False),
    "a frame of 65,500 px a side": (lambda: claiming(65_500), False),
    "empty comments": (lambda: after_start(b"\xff\xfe\0\2" * 6_000_000), False),
    "bytes that belong to nothing": (lambda: after_start(bytes(24_000_000)), False),
    "fill bytes": (lambda: after_start(b"\xff" * 24_000_000), False),
    "the largest JPEG": (lambda: jpeg(5_000, progressive=True), True),
    "an animated GIF": (lambda: b"GIF89a" + struct.pack("<HH", 65_000, 65_000) + bytes(64), False),
    "no bytes": (lambda: b"", False),
    **OF_SOURCES,
}


def _as_rgb(content: bytes, folder: Path) -> None:
    tile = write_tile(folder, 0, "train", 0)
    whole = msgspec.structs.replace(tile, nir=None, boundary=None, mask=None, labels={}, classes=("drydown",))
    _check(whole, {tile.rgb: content}, folder)


def _as_mask(content: bytes, folder: Path) -> None:
    tile = write_tile(folder, 0, "train", 0)
    assert tile.boundary is not None
    _check(tile, {tile.boundary: content}, folder)


def _check(tile: SourceTile, changed: dict[SourceFile, bytes], folder: Path) -> None:
    inventory = Inventory.read(plan(folder, folder / "data", [tile], layout=CLASS_FOLDERS, bands=RGB_BANDS))
    files = {
        file: (folder / file.path).read_bytes() for file in (tile.rgb, tile.mask, *tile.labels.values()) if file
    } | changed
    checked = check_tile(tile, inventory, files.__getitem__)
    if isinstance(checked, Rejection):
        raise DataError(checked.reason)


def _as_record(content: bytes, folder: Path) -> None:
    side = _side_of(content)
    _decode_record(Record("t", "f", content, b"", b"", [1.0], [1.0]), side)


def _as_mask_of_record(content: bytes, folder: Path) -> None:
    side = _side_of(content)
    _decode_record(Record("t", "f", jpeg(side), b"", content, [1.0], [1.0]), side)


def _side_of(content: bytes) -> int:
    """Returns the side at which a record needs no resizing, which would need TensorFlow."""
    try:
        return read_header(content).width
    except DamagedImage:
        return 64


def _decode_record(record: Record, side: int) -> None:
    parts, bits = [np.empty((side, side, 3), np.uint8)], np.empty((side, -(-side // 8)), np.uint8)
    try:
        decode_tile(deserialize(serialize(record), 1), 1, parts, bits)
    except DamagedImage as error:
        raise DataError(str(error)) from error


def _in_report(content: bytes, folder: Path) -> None:
    """The report shows of a rejected tile what it can."""
    file = write_file(folder, "a.png", content)
    if quarantine.thumbnail(file, str(folder)) is None:
        raise DataError("not shown")


def _by_predict(content: bytes, folder: Path) -> None:
    file = write_file(folder, "a.png", content)
    rgb = SourceFile(str(folder / "a.png"), file.num_bytes, "")
    if isinstance(problem := checked_record(TileFiles("a", {"rgb": rgb}), checks_of(RGB_BANDS)), str):
        raise DataError(problem)


def _in_graph(content: bytes, folder: Path) -> None:
    """As a model server decodes it."""
    import tensorflow as tf

    from components.records import tfrecords

    try:
        tfrecords.decode_image(tf.constant(content), tf.constant(b""), tf.constant(b""), RGB_BANDS, 64, 1)
    except tf.errors.InvalidArgumentError as error:
        raise DataError(str(error.message)) from error


PATHS: dict[str, Callable[[bytes, Path], None]] = {
    "rgb of a source": _as_rgb,
    "mask of a source": _as_mask,
    "rgb of a record": _as_record,
    "mask of a record": _as_mask_of_record,
    "report": _in_report,
    "predict": _by_predict,
}


def write_images(folder: Path) -> None:
    """Writes every hostile image, named as in IMAGES; making some takes more memory than reading them may."""
    for name, (make, _) in IMAGES.items():
        (folder / name).write_bytes(make())


def attack(path: str, folder: str) -> dict[str, tuple[str, float, float]]:
    """Reads the images of write_images on one path; returns by name "read" or why not, the seconds, the megabytes."""
    read = _in_graph if path == "graph" else PATHS[path]
    return {name: _cost_of(read, (Path(folder) / name).read_bytes()) for name in IMAGES}


def _cost_of(read: Callable[[bytes, Path], None], content: bytes) -> tuple[str, float, float]:
    with tempfile.TemporaryDirectory() as folder:
        outcome = "read"
        with contextlib.suppress(DataError):
            read(jpeg(64), Path(folder))  # imports what it needs
        with Cost() as cost:
            try:
                read(content, Path(folder))
            except DataError as error:
                outcome = str(error)
    return outcome, cost.seconds, cost.megabytes
