"""Every relative path that others choose passes one check; names, types of documents and joins all use it."""

import json
import re

import msgspec
import pytest
from hostile_names import HARMLESS, HOSTILE

from components import storage
from components.contracts import Document
from components.contracts.names import (
    PathPart,
    PathPartOrEmpty,
    RelativePath,
    RelativePathOrEmpty,
    Sha256,
    Sha256OrEmpty,
)
from components.errors import DataError
from components.safe_path import is_plain_name, path_fault, require_safe_path

pytestmark = pytest.mark.hostile


class Named(Document, frozen=True, kw_only=True):
    path: RelativePath = "a"
    path_or_empty: RelativePathOrEmpty = ""
    part: PathPart = "a"
    part_or_empty: PathPartOrEmpty = ""
    sha256: Sha256 = "0" * 64
    sha256_or_empty: Sha256OrEmpty = ""


@pytest.mark.parametrize("path", HOSTILE)
def test_a_hostile_path_is_refused_with_the_reason_and_in_printable_characters(path):
    assert path_fault(path) == HOSTILE[path]
    with pytest.raises(DataError, match=re.escape(f" {HOSTILE[path]}; rename or remove it")) as raised:
        require_safe_path(path, "an object")
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("path", HARMLESS)
def test_a_harmless_path_is_taken_as_it_is(path):
    assert path_fault(path) == ""
    assert require_safe_path(path, "an object") is path
    assert storage.join("gs://bucket/root", path) == f"gs://bucket/root/{path}"


@pytest.mark.parametrize("code", range(0x250))
def test_only_what_can_be_printed_and_is_no_separator_is_a_plain_or_a_safe_name(code):
    name = f"a{chr(code)}b"
    plain = chr(code).isprintable() and chr(code) not in "/\\" and code < 128

    assert bool(is_plain_name(name)) == plain
    assert not is_plain_name(name) or path_fault(name) == ""
    assert (path_fault(name) == "") == (code >= 160 or plain or name == "a/b")


@pytest.mark.parametrize("root", ["/data", "gs://bucket/data", "data"])
@pytest.mark.parametrize("path", HOSTILE)
def test_nothing_hostile_is_joined(root, path):
    with pytest.raises(DataError, match=re.escape(f"is not a path below {root!r}: it {HOSTILE[path]}")):
        storage.join(root, "shards", path)


# A document is JSON, which has no lone surrogates; and a length in bytes is the storage's own affair.
@pytest.mark.parametrize("path", [path for path in HOSTILE if path.isascii() or "\u2000" < path[1:2] < "\u3000"])
@pytest.mark.parametrize(
    ("field", "meaning"),
    [
        ("path", "a path below its root"),
        ("path_or_empty", "a path below its root, or nothing"),
        ("part", "the name of one file or folder"),
        ("part_or_empty", "the name of one file or folder, or nothing"),
        ("sha256", "a sha256 in hexadecimal"),
        ("sha256_or_empty", "a sha256 in hexadecimal, or nothing"),
    ],
)
def test_a_document_with_a_hostile_path_is_not_read(path, field, meaning):
    text = msgspec.structs.replace(Named(), **{field: path}).to_json()
    if not path and field.endswith("or_empty"):
        assert Named.from_json(text, "x.json") == Named()
        return
    expected = f"({re.escape(meaning)}|`str` of length <= 1024)"
    with pytest.raises(
        DataError, match=rf"^x.json is not a named .*: Expected {expected} - at `\$\.{field}`; "
    ) as raised:
        Named.from_json(text, "x.json")
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("part", ["a/b", "shards/x"])
def test_a_name_is_one_part_of_a_path(part):
    with pytest.raises(DataError, match=r"Expected the name of one file or folder - at `\$\.part`"):
        Named.from_json(Named(part=part).to_json(), "x.json")


@pytest.mark.parametrize("digest", ["0" * 63, "0" * 65, "0" * 64 + "\n", "A" * 64, "g" * 64, "other"])
def test_a_digest_has_64_digits(digest):
    with pytest.raises(DataError, match=r"Expected a sha256 in hexadecimal - at `\$\.sha256`"):
        Named.from_json(Named(sha256=digest).to_json(), "x.json")


def test_every_field_that_becomes_a_part_of_a_path_has_a_type_that_says_so():
    """A field of these names, in any document or in what it holds, is not a plain string."""
    names = re.compile(r".*(path|sha256|source_digests?|training_id|version|previous|earlier|fingerprint|checkpoint)$")
    plain = []
    for kind in _structs(Document):
        for field in msgspec.structs.fields(kind):
            declared = json.dumps(msgspec.json.schema(field.type))
            if names.match(field.name) and '"string"' in declared and '"pattern"' not in declared:
                plain.append(f"{kind.__name__}.{field.name}")
    # A file's version is compared, and a pipeline's is what a user called it: neither is ever joined.
    assert sorted(plain) == ["RunRecord.pipeline_version", "SourceFile.version"]


def _structs(base):
    """Returns all documents of the project, and the structs that they are made of."""
    import components.push.verify
    import components.train.checkpoint.checkpoints
    import components.train.settings.worker_spec  # noqa: F401
    from components.contracts import SourceTile

    found, todo = set(), [*base.__subclasses__(), SourceTile]
    while todo:
        kind = todo.pop()
        if kind in found or not kind.__module__.startswith("components."):
            continue
        found.add(kind)
        info = msgspec.inspect.type_info(kind)
        todo += _held(info)
    return sorted(found, key=lambda kind: kind.__name__)


def _held(info):
    held = []
    for value in (
        [field.type for field in info.fields] if isinstance(info, msgspec.inspect.StructType) else _parts(info)
    ):
        if isinstance(value, msgspec.inspect.StructType):
            held.append(value.cls)
        else:
            held += _held(value)
    return held


def _parts(info):
    names = ("item_type", "item_types", "key_type", "value_type", "types")
    parts = [getattr(info, name) for name in names if hasattr(info, name)]
    return [part for each in parts for part in (each if isinstance(each, tuple) else (each,))]
