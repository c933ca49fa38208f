"""Thousands of mutated images, records, documents and names, and what each reader makes of them.

A mutation is an accident, which leaves checksums wrong, or a forgery, which makes them right again. No accident may
pass for the original. What is forged is somebody else's content: it is refused, or it is read as what it is.
"""

import collections
import hashlib
import json
import random
import re
import resource
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mutations import mutations
from numpy.typing import NDArray
from PIL import Image
from small_source import encoded, noise

from components import contracts, storage
from components.agrivision import CHALLENGE_2020
from components.contracts import Document, SourceFile
from components.dataset.picture_digests import picture_digest
from components.errors import DataError, SettingsError
from components.ingest.inventory import inventory_of
from components.ingest.settings import IngestSettings
from components.progress import StepLog
from components.records import mask_png, source_image
from components.records.image_header import DamagedImage
from components.records.jpeg import decode
from components.records.record_file import DamagedFile, RecordWriter, read_records
from components.records.source_image import BadImage
from components.records.tile_record import Record, deserialize, serialize

REFUSED, SAME, OTHER = "refused", "read as the original", "read as another picture under another name"
_SIDE = 64
_SIGNATURE_BYTES = 8


class _Tally:
    """Counts outcomes, and measures what they cost."""

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.slowest = 0.0

    def add(self, kind: str, outcome: Callable[[], str]) -> None:
        start = time.process_time()
        self.counts[f"{kind}: {outcome()}"] += 1
        self.slowest = max(self.slowest, time.process_time() - start)

    def result(self) -> dict[str, Any]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {"counts": dict(sorted(self.counts.items())), "slowest_s": self.slowest, "peak_mb": peak}


def _refusal(error: Exception, start: str = "") -> str:
    """Returns REFUSED, after a look that the reason is one line."""
    reason = str(error)
    assert reason.startswith(start)
    assert len(reason.splitlines()) == 1
    return REFUSED


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
    }


def mutate_images(count: int, seed: int, with_tensorflow: bool = False) -> dict[str, Any]:
    """Reads `count` mutations of each kind of image, of which every second is a forgery."""
    if not with_tensorflow:
        sys.modules["tensorflow"] = None  # type: ignore[assignment]  # it takes more memory than the bound
    tally = _Tally()
    for name, (content, num_bands) in _originals().items():
        readers = _readers(name, num_bands, with_tensorflow)
        expected = [read(content) for read in readers]
        for index, (changed, is_forged) in enumerate(_changed(content, count, seed)):
            which = index % len(readers)
            may_differ = is_forged or "JPEG" in name  # a JPEG has no checksum of its own
            tally.add(
                f"{name}, {'forged' if is_forged else 'by accident'}",
                lambda: _outcome(readers[which], changed, content, expected[which], may_differ),  # noqa: B023
            )
    return tally.result()


def _readers(name: str, num_bands: int, with_tensorflow: bool) -> list[Callable[[bytes], NDArray[Any]]]:
    if with_tensorflow:
        return [lambda content: _alike_in_graph(content, num_bands)]
    if "mask" in name:
        return [
            source_image.decode_mask,
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
        return _refusal(error)
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
    tally = _Tally()
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


# Documents.

_SCALAR = re.compile(rb'(?<=: )(?:"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null)')
_HOSTILE_VALUES = (
    b"NaN", b"Infinity", b"1e999", b"-1e999", b"1e-400", b"-1", b"0", b"9" * 400, b"18446744073709551616", b"1.5",
    b"null", b"true", b"[]", b"{}", b'""', b'"../../../etc/passwd"', b'"/etc/passwd"', b'"a\\u0000b"', b'"\\ud800"',
    b'"\\u001b[31mred"', b'"\xff\xfe"', b'"' + b"a" * 2**20 + b'"', b"[" * 100_000, b'{"a":' * 100_000, b"0x10", b"'a'",
)  # fmt: skip


def mutate_documents(texts: list[tuple[str, str]], count: int, seed: int) -> dict[str, Any]:
    """Reads `count` mutations of each document, given as (name of its class, its JSON); every second is a forgery."""
    tally = _Tally()
    for name, text in texts:
        kind: type[Document] = getattr(contracts, name)
        content = text.encode()
        rng = random.Random(seed)
        for index, accident in enumerate(mutations(content, count, seed)):
            is_forged = index % 2 == 1
            changed = _forged_document(content, rng) if is_forged else accident
            tally.add(
                f"document, {'forged' if is_forged else 'by accident'}",
                lambda: _read_document(kind, changed, content, is_forged),  # noqa: B023
            )
    return tally.result()


def _read_document(kind: type[Document], changed: bytes, content: bytes, is_forged: bool) -> str:
    try:
        document = kind.from_json(changed, "x.json")
    except DataError as error:
        return _refusal(error, "x.json ")
    if changed == content:
        return SAME
    assert is_forged, "a changed document passed for the original"
    assert kind.from_json(document.to_json(), "x.json") == document
    return "read as what it says"


def _forged_document(content: bytes, rng: random.Random) -> bytes:
    """Returns a document with a hostile value, a key twice, or a key less, and the checksum that it must have."""
    body = content[: content.rindex(b',\n "checksum"')]
    match = rng.choice(list(_SCALAR.finditer(body)))
    line_start = body.rindex(b"\n", 0, match.start())
    line = body[line_start : match.end()]
    match rng.randrange(4):  # type: ignore[misc]
        case 0:
            body = body[: match.end()] + b"," + line + body[match.end() :]  # the key a second time
        case 1:
            body = body[:line_start] + body[match.end() :].removeprefix(b",")
        case _:
            body = body[: match.start()] + rng.choice(_HOSTILE_VALUES) + body[match.end() :]
    return _signed(body)


def _signed(body: bytes) -> bytes:
    return body + b',\n "checksum": "' + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n'


# Names.

_HOSTILE_NAMES = (
    "", "/", "//", "..", "../..", "/etc/passwd", "a//b", "./a", "a/./b", "a/../b", "~", "-rf", "*", "?", "[red]",
    "$HOME", "`id`", "a b", " ", ".", "...", "a" * 255, "a/" * 500, "\0", "\n", "\r", "\t", "\x1b[31m", "\x7f",
    "\u202e", "\u2028", "é", "e\u0301", "\U0001f33e", "%2e%2e", "\\", "C:\\", "'", '"', "<b>", "&amp;", "{0}", "%s",
    "$\\frac{",
    "gs://other/a", "file:///etc/passwd", "99999999999999999999", "-1-0-0-0", "0-0-0-0", "nan", ".jpg", ".png",
)  # fmt: skip


def mutate_names(count: int, seed: int) -> dict[str, Any]:
    """Gives ingest `count` hostile names as a bucket lists them, a few at a time among good ones, then a folder's."""
    from tile_listing import release_files, tile_name

    tally = _Tally()
    rng = random.Random(seed)
    names = [tile_name(field, number) for field in ("AAA", "BBB", "CCC", "DDD") for number in range(4)]
    good = [
        path
        for split, chosen in zip(("train", "val", "test"), (names[:8], names[8:12], names[12:]), strict=True)
        for path in release_files(CHALLENGE_2020, split, chosen)
    ]
    at_once = 4
    for _ in range(count // at_once):
        hostile = [_hostile_name(rng.choice(good), rng) for _ in range(at_once)]
        tally.add("names of a bucket", lambda: _ingest([*good, *hostile]))  # noqa: B023
    for each in (*_HOSTILE_NAMES, "\udcff"):  # the last is a byte that is no UTF-8, which no bucket has in a name
        with tempfile.TemporaryDirectory() as folder:
            tally.add("names of a folder", lambda: _list_folder(Path(folder), each))  # noqa: B023
    return tally.result() | {"num_names": count // at_once * at_once + len(_HOSTILE_NAMES) + 1}


def _hostile_name(good: str, rng: random.Random) -> str:
    value = rng.choice(_HOSTILE_NAMES)
    parts = good.split("/")
    at = rng.randrange(len(parts))
    match rng.randrange(4):
        case 0:
            parts[at] = value
        case 1:
            parts[at] += value
        case 2:
            parts.insert(at, value)
        case _:
            cut = rng.randrange(len(parts[at]))
            parts[at] = parts[at][:cut] + value + parts[at][cut:]
    return "/".join(parts)


def _ingest(paths: list[str]) -> str:
    log = StepLog("ingest")
    with tempfile.TemporaryDirectory() as data_root:
        files = [SourceFile(path, 1000, "1") for path in paths]
        try:
            inventory = inventory_of(files, "gs://tiles", data_root, IngestSettings(num_workers=1), log)
            listed = {
                file["path"]
                for partition in inventory.partitions
                for line in (Path(data_root) / partition.path).read_bytes().splitlines()
                for file in _files_of(json.loads(line))
            }
        except (DataError, SettingsError):
            return REFUSED  # in a line that the log escapes
    assert listed <= set(paths), "a name was changed on its way"
    return "listed"


def _files_of(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "path" in value and "num_bytes" in value:
            yield value
        for each in value.values():
            yield from _files_of(each)


def _list_folder(root: Path, name: str) -> str:
    path = root / f"{name}.jpg"
    if not path.is_relative_to(root) or ".." in path.parts:
        return "no such file can be"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content")
    except (OSError, ValueError):
        return "no such file can be"
    try:
        files = list(storage.list_files(str(root)))
    except (DataError, SettingsError) as error:
        return _refusal(error)
    return "listed" if files else "skipped"
