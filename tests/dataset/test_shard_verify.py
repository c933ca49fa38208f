import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from mutations import flip_a_bit
from sharded import shard_and_merge
from small_source import plan, write_source

from components.contracts import Manifest
from components.dataset.audit.verify import verify_manifest
from components.errors import DataError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    tiles = write_source(root / "source", train=8, val=2, test=2)
    shard_and_merge(plan(root / "source", root / "data", tiles), root / "data", root)
    return root / "data"


@pytest.fixture
def data_root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "data"))


def manifest_of(data_root: Path) -> Path:
    (path,) = (data_root / "datasets").glob("*/manifest.json")
    return path


def test_a_whole_dataset_passes_wherever_it_lies(data_root: Path, tmp_path: Path) -> None:
    report = verify_manifest(str(manifest_of(data_root)))
    assert (report.num_tiles, report.num_shards) == (12, 4)
    assert report.num_bytes == sum(path.stat().st_size for path in (data_root / "shards").glob("*.tfrecord"))
    copy = shutil.copy(manifest_of(data_root), tmp_path / "artifact")
    assert verify_manifest(str(copy), str(data_root)) == report


def swap_with_zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), r"has [\d,]+ bytes, expected [\d,]+"),
        (flip_a_bit, r"is damaged after record \d of 4"),
        (swap_with_zeros, "is damaged after record 0 of 4"),
    ],
)
def test_the_damaged_shard_is_named(data_root: Path, damage: Callable[[Path], None], message: str) -> None:
    shard = Manifest.read(manifest_of(data_root)).splits["train"].shards[1]
    damage(data_root / shard.path)
    with pytest.raises(DataError, match=rf"train shard '{shard.path}' under .* {message}"):
        verify_manifest(str(manifest_of(data_root)))


def test_another_sound_file_of_the_same_size_is_noticed(data_root: Path) -> None:
    shard = Manifest.read(manifest_of(data_root)).splits["train"].shards[0]
    content = (data_root / shard.path).read_bytes()
    size = int.from_bytes(content[:8], "little") + 16  # length, its checksum, the record, its checksum
    (data_root / shard.path).write_bytes(content[size:] + content[:size])  # the first record moved to the end
    with pytest.raises(DataError, match=r"has sha256 .*, expected"):
        verify_manifest(str(manifest_of(data_root)))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "the sums by field of dataset .* are missing"),
        (lambda path: path.write_bytes(path.read_bytes() + b"\n"), "fields.jsonl' has sha256 .*, expected"),
    ],
)
def test_the_sums_by_field_are_those_that_the_manifest_names(
    data_root: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(manifest_of(data_root).with_name("fields.jsonl"))
    with pytest.raises(DataError, match=message):
        verify_manifest(str(manifest_of(data_root)))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda path: path.unlink(),
            r"the table of records '.*\.records' is gone; run the pipeline again",
        ),
        (flip_a_bit, r"\.records' has sha256 .*, expected .*; delete it and run the pipeline again on the same source"),
    ],
)
def test_the_tables_of_records_are_those_that_the_manifest_names(
    data_root: Path, damage: Callable[[Path], None], message: str
) -> None:
    val = Manifest.read(manifest_of(data_root)).splits["val"]
    damage(data_root / "shards" / f"{val.records_sha256}.records")
    with pytest.raises(DataError, match=message):
        verify_manifest(str(manifest_of(data_root)))


@pytest.mark.hostile
def test_nothing_outside_the_data_root_is_read_or_advised_to_be_deleted(data_root: Path, tmp_path: Path) -> None:
    """Neither by a manifest that names it, whose checksum its author has put right, nor through a link."""
    manifest = Manifest.read(manifest_of(data_root))
    (tmp_path / "precious").write_bytes(b"x")
    val = manifest.splits["val"]
    for path in ("../precious", str(tmp_path / "precious"), "shards//precious", "shards/../../precious"):
        shards = (msgspec.structs.replace(val.shards[0], path=path),)
        splits = {**manifest.splits, "val": msgspec.structs.replace(val, shards=shards)}
        msgspec.structs.replace(manifest, splits=splits).write(tmp_path / "edited")
        with pytest.raises(
            DataError, match=r"edited is not a manifest .*: Expected a path below its root - at"
        ) as raised:
            verify_manifest(str(tmp_path / "edited"), str(data_root))
        assert "precious" not in str(raised.value)
        assert "delete" not in str(raised.value)
    for name in (val.shards[0].path, f"shards/{val.records_sha256}.records"):
        content = (data_root / name).read_bytes()
        (data_root / name).unlink()
        (data_root / name).symlink_to(tmp_path / "precious")
        with pytest.raises(
            DataError, match=r"; a link puts it outside '.*', at '.*/precious': restore it there or remo"
        ):
            verify_manifest(str(manifest_of(data_root)))
        (data_root / name).unlink()
        (data_root / name).write_bytes(content)
    (data_root / "datasets").rename(tmp_path / "moved")
    (data_root / "datasets").symlink_to(tmp_path / "moved")
    fields = manifest_of(data_root).with_name("fields.jsonl")
    fields.write_bytes(fields.read_bytes() + b"\n")
    with pytest.raises(DataError, match=r"fields\.jsonl' has sha256 .*; a link puts it outside"):
        verify_manifest(str(manifest_of(data_root)))


def test_a_manifest_that_counts_wrongly_or_was_edited_is_refused(data_root: Path, tmp_path: Path) -> None:
    path = manifest_of(data_root)
    manifest = Manifest.read(path)
    train = manifest.splits["train"]
    wrong = msgspec.structs.replace(train.shards[0], num_tiles=3)
    splits = {**manifest.splits, "train": msgspec.structs.replace(train, shards=(wrong, *train.shards[1:]))}
    edited = msgspec.structs.replace(manifest, splits=splits)
    edited.write(tmp_path / "edited")
    with pytest.raises(DataError, match="has 4 records, expected 3"):
        verify_manifest(str(tmp_path / "edited"), str(data_root))
    edited.write(path)
    with pytest.raises(
        DataError, match=f"was changed after it was written: its content has the id {edited.sha256[:16]}"
    ):
        verify_manifest(str(path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("data/nothing.json", "no manifest at .*; expected <data_root>/datasets/<id>/manifest.json"),
        ("data/shards/../inventories/by-hand/inventory.json", "is not a manifest"),
        ("artifact", "cannot tell where the shards of .* are"),
    ],
)
def test_what_is_no_manifest_is_told(data_root: Path, tmp_path: Path, name: str, message: str) -> None:
    shutil.copy(manifest_of(data_root), tmp_path / "artifact")
    with pytest.raises(DataError, match=message):
        verify_manifest(str(tmp_path / name))
