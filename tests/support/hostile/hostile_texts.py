"""Thousands of mutated documents and hostile names, and what each reader makes of them; see hostile_mutations.py."""

import hashlib
import json
import random
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mutation_tally import REFUSED, SAME, Tally, refusal
from mutations import mutations

from components import contracts, storage
from components.agrivision import CHALLENGE_2020
from components.contracts import Document, SourceFile
from components.errors import DataError, SettingsError
from components.ingest.inventory import inventory_of
from components.ingest.settings import IngestSettings
from components.progress import StepLog

# Documents.

_SCALAR = re.compile(rb'(?<=: )(?:"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null)')
_HOSTILE_VALUES = (
    b"NaN", b"Infinity", b"1e999", b"-1e999", b"1e-400", b"-1", b"0", b"9" * 400, b"18446744073709551616", b"1.5",
    b"null", b"true", b"[]", b"{}", b'""', b'"../../../etc/passwd"', b'"/etc/passwd"', b'"a\\u0000b"', b'"\\ud800"',
    b'"\\u001b[31mred"', b'"\xff\xfe"', b'"' + b"a" * 2**20 + b'"', b"[" * 100_000, b'{"a":' * 100_000, b"0x10", b"'a'",
)  # fmt: skip


def mutate_documents(texts: list[tuple[str, str]], count: int, seed: int) -> dict[str, Any]:
    """Reads `count` mutations of each document, given as (name of its class, its JSON); every second is a forgery."""
    tally = Tally()
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
        return refusal(error, "x.json ")
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

    tally = Tally()
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
        return refusal(error)
    return "listed" if files else "skipped"
