"""Thousands of mutated images and records, and what each reader makes of them.

A mutation is an accident, which leaves checksums wrong, or a forgery, which makes them right again. No accident may
pass for the original. What is forged is somebody else's content: it is refused, or it is read as what it is.
"""

import random
import re
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mutation_tally import OTHER, REFUSED, SAME, Tally, refusal
from mutations import mutations
from numpy.typing import NDArray
from PIL import Image
from small_source import encoded, noise
from tiff_files import tiff

from components.dataset.picture_digests import picture_digest
from components.records import mask_png, source_image, source_mask
from components.records.image_header import DamagedImage
from components.records.jpeg import decode
from components.records.record_file import DamagedFile, RecordWriter, read_records
from components.records.source_image import BadImage
from components.records.tile_record import Record, deserialize, serialize

_SIDE = 64
_SIGNATURE_BYTES = 8

# Images.


def _originals() -> dict[str, tuple[bytes, int]]:
    """Files by name, each with its number of bands."""
    mask = np.add.outer(np.arange(_SIDE), np.arange(_SIDE)) > 70
    grey = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
    return {
        "JPEG": (encoded(noise(0, 3), "JPEG"), 3),
        "JPEG of NIR": (encoded(noise(1, 1), "JPEG"), 1),
        "progressive JPEG": (encoded(noise(2, 3), "JPEG", progressive=True), 3),
        "PNG": (encoded(noise(3, 3), "PNG"), 3),
        "PNG of a palette": (encoded(noise(4, 3).quantize(16), "PNG"), 3),
        "mask": (encoded(grey, "PNG"), 1),
        "mask of 1 bit": (encoded(grey.convert("1"), "PNG"), 1),
        "mask of a record": (mask_png.encode_mask(mask), 1),
        "mask of a palette": (encoded(_with_palette(mask), "PNG"), 1),
        "PNG of 16 bits": (encoded(Image.fromarray(np.asarray(noise(5, 1)) * np.uint16(257)), "PNG"), 1),
        "TIFF": (tiff(np.asarray(noise(6, 3)), rows_per_strip=16), 3),
        "TIFF of 16 bits": (tiff(np.asarray(noise(7, 4)) * np.uint16(257), deflate=True, differences=True), 3),
        "TIFF of tiles": (tiff(np.asarray(noise(8, 4)), order=">", planar=True, tile=(32, 48)), 3),
        "TIFF with LZW": (encoded(noise(9, 3), "TIFF", compression="tiff_lzw"), 3),
        "TIFF with PackBits": (encoded(noise(10, 1), "TIFF", compression="packbits"), 1),
        "mask as TIFF": (encoded(grey, "TIFF", compression="tiff_lzw"), 1),
        "WebP": (encoded(noise(11, 3), "WEBP"), 3),
        "WebP without loss": (encoded(noise(12, 4), "WEBP", lossless=True, exif=_turned()), 3),
        "turned JPEG": (encoded(noise(13, 3), "JPEG", exif=_turned()), 3),
    }


# What has no checksum, so that damage can pass for another picture, but never for one of the same name.
_WITHOUT_CHECKSUM = ("JPEG", "TIFF", "WebP")


def _with_palette(mask: NDArray[np.bool_]) -> Image.Image:
    image = Image.fromarray(mask.astype(np.uint8)).convert("P")
    image.putpalette([0, 0, 0, 128, 0, 0])
    return image


def _turned() -> Image.Exif:
    tags = Image.Exif()
    tags[271], tags[274] = "a camera", 6
    return tags


def mutate_images(count: int, seed: int, with_tensorflow: bool = False) -> dict[str, Any]:
    """Reads `count` mutations of each kind of image, of which every second is a forgery."""
    if not with_tensorflow:
        sys.modules["tensorflow"] = None  # type: ignore[assignment]  # it takes more memory than the bound
    tally = Tally()
    for name, (content, num_bands) in _originals().items():
        readers = _readers(name, num_bands, with_tensorflow)
        expected = [read(content) for read in readers]
        for index, (changed, is_forged) in enumerate(_changed(content, count, seed)):
            which = index % len(readers)
            may_differ = is_forged or any(form in name for form in _WITHOUT_CHECKSUM)
            tally.add(
                f"{name}, {'forged' if is_forged else 'by accident'}",
                lambda: _outcome(readers[which], changed, content, expected[which], may_differ),  # noqa: B023
            )
    return tally.result()


def _readers(name: str, num_bands: int, with_tensorflow: bool) -> list[Callable[[bytes], NDArray[Any]]]:
    if "TIFF" in name or "WebP" in name or "turned" in name or "16 bits" in name or name == "mask of a palette":
        return _readers_of_converted(name, num_bands, with_tensorflow)
    if with_tensorflow:
        return [lambda content: _alike_in_graph(content, num_bands)]
    if "mask" in name:
        return [
            source_mask.decode_mask,
            lambda content: decode(content, 1),
            lambda content: np.unpackbits(mask_png.packed_mask(content)[0], axis=1),
        ]
    modes = source_image.RGB_MODES if num_bands == 3 else source_image.NIR_MODES
    if "palette" in name:
        modes = source_image.ANY_COLOUR_MODES
    return [
        lambda content: source_image.decode_bands(content, num_bands, modes),
        lambda content: decode(content, num_bands),
    ]


def _readers_of_converted(name: str, num_bands: int, with_tensorflow: bool) -> list[Callable[[bytes], NDArray[Any]]]:
    if "mask" in name:
        return [source_mask.decode_mask]
    modes = source_image.ANY_COLOUR_MODES if num_bands == 3 else source_image.NIR_MODES

    def stored(content: bytes, max_16_bit: int = 20_000) -> NDArray[Any]:
        picture = source_image.read_picture(content, num_bands, modes, max_16_bit=max_16_bit, is_alone=True)
        as_record = picture.stored()
        decoded = _alike_in_graph(as_record, num_bands) if with_tensorflow else decode(as_record, num_bands)
        np.testing.assert_array_equal(decoded, picture.pixels)
        return decoded

    return [stored]


def _alike_in_graph(content: bytes, num_bands: int) -> NDArray[Any]:
    """Returns the pixels, after a look that the exported model sees the same."""
    import tensorflow as tf

    from components.records.graph_limits import within_limits

    pixels = decode(content, num_bands)
    in_graph = tf.io.decode_jpeg(within_limits(tf.constant(content)), channels=num_bands, dct_method="INTEGER_ACCURATE")
    np.testing.assert_array_equal(pixels, in_graph)
    return pixels


def _outcome(
    read: Callable[[bytes], NDArray[Any]], changed: bytes, original: bytes, expected: NDArray[Any], may_differ: bool
) -> str:
    try:
        pixels = read(changed)
    except (BadImage, DamagedImage) as error:
        return refusal(error)
    if np.array_equal(pixels, expected):
        return SAME
    assert may_differ, "a changed file passed for the original"
    assert picture_digest(changed) != picture_digest(original)
    return OTHER


def _changed(content: bytes, count: int, seed: int) -> Iterator[tuple[bytes, bool]]:
    rng = random.Random(seed)
    accidents = mutations(content, count, seed)
    for index, changed in enumerate(accidents):
        is_forged = index % 2 == 1
        yield (_forged(content, rng) if is_forged else changed), is_forged


def _forged(content: bytes, rng: random.Random) -> bytes:
    """Returns an image whose header or chunks are changed, with right checksums."""
    if content.startswith(b"\xff\xd8"):
        start = rng.choice([match.start() for match in re.finditer(rb"\xff[\xc0-\xfe]", content)])
        changed = bytearray(content)
        for at in range(start + 2, min(start + 2 + rng.choice((1, 2, 8)), len(content))):
            changed[at] = rng.choice((0, 1, 2, 0x7F, 0xFF, rng.randrange(256)))
        return bytes(changed)
    if content.startswith((b"II", b"MM")):
        return _forged_tiff(content, rng)
    if content.startswith(b"RIFF"):
        changed = bytearray(content)
        changed[rng.randrange(4, 48)] = rng.choice((0, 1, 2, 0x7F, 0xFF, rng.randrange(256)))
        return bytes(changed)
    chunks = _png_chunks(content)
    at = rng.randrange(len(chunks))
    kind, body = chunks[at]
    match rng.randrange(5):
        case 0:
            values = list(struct.unpack(">II5B", chunks[0][1]))
            field = rng.randrange(len(values))
            values[field] = rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 63, 65, 255, 2**31 - 1, 2**32 - 1))
            limits = (2**32 - 1, 2**32 - 1, 255, 255, 255, 255, 255)
            chunks[0] = (b"IHDR", struct.pack(">II5B", *map(min, values, limits)))
        case 1:
            chunks.insert(at, chunks[rng.randrange(len(chunks))])
        case 2:
            kinds = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"iCCP", b"zTXt", b"gAMA", b"eXIf")
            chunks.insert(at, (rng.choice(kinds), rng.randbytes(rng.choice((0, 1, 13, 26, 768)))))
        case 3:
            del chunks[at]
        case _:
            chunks[at] = (
                kind,
                next(mutations(body, 1, rng.random().__hash__())) if len(body) > 4 else rng.randbytes(4),
            )
    return content[:_SIGNATURE_BYTES] + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def _forged_tiff(content: bytes, rng: random.Random) -> bytes:
    """Returns a TIFF one of whose tags has another name, type, number of values, or value."""
    order = "<" if content.startswith(b"II") else ">"
    (directory,) = struct.unpack_from(f"{order}I", content, 4)
    (count,) = struct.unpack_from(f"{order}H", content, directory)
    entry = directory + 2 + 12 * rng.randrange(count)
    changed = bytearray(content)
    extreme = rng.choice((0, 1, 2, 3, 5, 16, 63, 65, 255, 8192, 2**16 - 1, 2**31 - 1, 2**32 - 1, len(content) - 1))
    match rng.randrange(4):
        case 0:
            struct.pack_into(f"{order}H", changed, entry + rng.choice((0, 2)), rng.randrange(350))
        case 1:
            struct.pack_into(f"{order}I", changed, entry + 4, extreme)
        case 2:
            struct.pack_into(f"{order}H", changed, entry + 8, extreme & 0xFFFF)
        case _:
            struct.pack_into(f"{order}I", changed, entry + 8, extreme)
    return bytes(changed)


def _png_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    chunks, at = [], _SIGNATURE_BYTES
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


# Records.


def mutate_records(count: int, seed: int) -> dict[str, Any]:
    """Reads `count` mutations of a file of records, then as many of a record whose checksums are made right again."""
    tally = Tally()
    mask = mask_png.encode_mask(np.eye(_SIDE, dtype=bool))
    originals = [
        Record(
            f"tile {at}", "f", encoded(noise(at, 3), "JPEG"), encoded(noise(at, 1), "JPEG"), mask, [1.0, 0], [0.5, 0]
        )
        for at in range(3)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records"

        def read() -> list[bytes]:
            return list(read_records(path))

        def write(serialized: list[bytes]) -> None:
            with RecordWriter(path) as writer:
                for each in serialized:
                    writer.write(each)

        write([serialize(record) for record in originals])
        content, expected = path.read_bytes(), read()

        def by_accident(changed: bytes) -> str:
            path.write_bytes(changed)
            try:
                records = read()
            except DamagedFile:
                return REFUSED
            # A file that ends between two records is shorter; its size and number of records are in the manifest.
            assert records == expected[: len(records)]
            assert len(changed) < len(content)
            return "cut off between two records, which its size shows"

        def forged(changed: bytes) -> str:
            write([changed])
            try:
                record = deserialize(read()[0], 2)
            except ValueError:
                return REFUSED
            return SAME if record == originals[0] else "read as another record"

        for changed in mutations(content, count, seed):
            tally.add("file of records, by accident", lambda changed=changed: by_accident(changed))  # type: ignore[misc]
        for changed in mutations(expected[0], count, seed):
            tally.add("record, forged", lambda changed=changed: forged(changed))  # type: ignore[misc]
    return tally.result()
