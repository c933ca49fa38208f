import io
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from sharded import shard_and_merge
from small_source import plan, write_source

from components.contracts import Inventory, Manifest, PlannedShard, ShardReceipt, ShardReceipts
from components.dataset.receipts import checked_receipt
from components.errors import DataError
from components.merge.merge import merge_shards
from components.progress import StepLog


def published(data_root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (data_root / "datasets").glob("*/*")}


def test_the_manifest_is_the_same_whatever_the_place_and_the_partitions(tmp_path: Path) -> None:
    tiles = write_source(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    first = shard_and_merge(plan(tmp_path / "here", tmp_path / "a", tiles), tmp_path / "a", tmp_path / "a")
    other_plan = plan(tmp_path / "there", tmp_path / "b", tiles, num_partitions=2, name="another")
    second = shard_and_merge(other_plan, tmp_path / "b", tmp_path / "b")
    assert first == second
    here, there = published(tmp_path / "a"), published(tmp_path / "b")
    # What tells the place, and the plan, is a document of its own.
    assert here.pop("origin.json") != there.pop("origin.json")
    assert here == there
    (folder,) = (tmp_path / "a" / "datasets").iterdir()
    assert folder.name == first.sha256[:16]
    assert Manifest.read(folder / "manifest.json") == Manifest.read(tmp_path / "a" / "manifest") == first
    assert (folder / "report.html").read_bytes() == (tmp_path / "a" / "report.html").read_bytes()


def test_statistics_are_those_of_the_valid_pixels(tmp_path: Path) -> None:
    tiles = write_source(tmp_path / "source")
    log = StepLog("merge")
    manifest = shard_and_merge(plan(tmp_path / "source", tmp_path, tiles), tmp_path, tmp_path, log)
    train = manifest.splits["train"]

    def pixels(path: str) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO((tmp_path / "source" / path).read_bytes())))

    valid = [pixels(tile.boundary.path) == 255 for tile in tiles[:12] if tile.boundary]
    red = np.concatenate([pixels(tile.rgb.path)[..., 0][v] for tile, v in zip(tiles[:12], valid, strict=True)])
    nir = np.concatenate([pixels(tile.nir.path)[v] for tile, v in zip(tiles[:12], valid, strict=True) if tile.nir])
    assert train.valid_pixels == len(red)
    assert train.band_mean[0] == pytest.approx(red.mean() / 255, rel=1e-12)
    assert train.band_std[3] == pytest.approx(nir.std() / 255, rel=1e-12)
    assert (train.num_tiles, train.num_fields, len(train.shards)) == (12, 4, 3)
    assert train.class_tiles == (12, 6)
    assert train.num_single_label == 6
    assert manifest.tile_sizes == {"64x64": 20}
    assert [shard.num_tiles for shard in train.shards] == [4, 4, 4]
    num_bytes = sum(shard.num_bytes for split in manifest.splits.values() for shard in split.shards)
    assert log.summary == f"wrote 20 tiles of 8 fields to 5 shards ({num_bytes / 1000:.1f} kB), 0 rejected"


def handed(path: Path) -> ShardReceipts:
    return ShardReceipts.read(path / "receipts-0.json")


def receipt(data_root: Path, number: int) -> tuple[Path, ShardReceipt]:
    path = data_root / f"receipts/{handed(data_root).source_digests[number]}.json"
    return path, ShardReceipt.read(path)


def lose_handed(data_root: Path) -> None:
    digests = handed(data_root).source_digests
    ShardReceipts(partition=0, source_digests=(*digests[:1], *digests[2:])).write(data_root / "receipts-0.json")


def lose_receipt(data_root: Path) -> None:
    receipt(data_root, 1)[0].unlink()


def lose_shard(data_root: Path) -> None:
    (data_root / receipt(data_root, 1)[1].path).unlink()


def cut_shard(data_root: Path) -> None:
    path = data_root / receipt(data_root, 1)[1].path
    path.write_bytes(path.read_bytes()[:-1])


def miscount(data_root: Path) -> None:
    path, right = receipt(data_root, 1)
    msgspec.structs.replace(right, num_tiles=3).write(path)


def lose_digest(data_root: Path) -> None:
    path, right = receipt(data_root, 1)
    msgspec.structs.replace(right, picture_digests=right.picture_digests[8:]).write(path)


def lose_record(data_root: Path) -> None:
    path, right = receipt(data_root, 1)
    msgspec.structs.replace(right, records=right.records[5:]).write(path)


def lose_class(data_root: Path) -> None:
    path, right = receipt(data_root, 1)
    msgspec.structs.replace(right, class_tiles=right.class_tiles[1:]).write(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose_handed, "train shard 1 has no receipt"),
        (lose_receipt, "train shard 1: its receipt, receipts/.*.json under .*, is missing; run the shard tasks again"),
        (lose_shard, "train shard 1, 'shards/.*: expected .* bytes, there is no such file"),
        (cut_shard, "train shard 1, 'shards/.*: expected .* bytes, got "),
        (miscount, "train shard 1: planned with 4 tiles, but its receipt has 3"),
        (lose_digest, "train shard 1: its receipt counts 4 tiles but has 3 digests"),
        (lose_record, "train shard 1: its receipt counts 4 tiles but has 3 records"),
        (lose_class, "train shard 1: expected 2 classes and 4 bands, but its receipt has 1 and 4"),
    ],
)
def test_a_shard_that_is_not_there_is_named_and_nothing_is_published(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    path = plan(tmp_path / "source", tmp_path, write_source(tmp_path / "source"))
    shard_and_merge(path, tmp_path, tmp_path)
    shutil.rmtree(tmp_path / "datasets")
    (tmp_path / "manifest").unlink()
    damage(tmp_path)
    with pytest.raises(DataError, match=message):
        merge_again(path, tmp_path)
    assert not published(tmp_path)
    assert not (tmp_path / "manifest").exists()


def test_damaged_sums_by_field_are_replaced_and_sound_ones_left_alone(tmp_path: Path) -> None:
    path = plan(tmp_path / "source", tmp_path, write_source(tmp_path / "source"))
    shard_and_merge(path, tmp_path, tmp_path)
    expected = published(tmp_path)
    (fields,) = (tmp_path / "datasets").glob("*/fields.jsonl")
    os.utime(fields, ns=(1, 1))
    merge_again(path, tmp_path)
    assert fields.stat().st_mtime_ns == 1
    for damaged in (expected["fields.jsonl"].replace(b"1", b"2", 1), expected["fields.jsonl"][:-9], b""):
        fields.write_bytes(damaged)
        merge_again(path, tmp_path)
        assert published(tmp_path) == expected


def test_a_damaged_table_of_records_is_replaced(tmp_path: Path) -> None:
    path = plan(tmp_path / "source", tmp_path, write_source(tmp_path / "source"))
    manifest = shard_and_merge(path, tmp_path, tmp_path)
    table = tmp_path / "shards" / f"{manifest.splits['train'].records_sha256}.records"
    content = table.read_bytes()
    assert len(content) == 12 * 5  # four bytes of length, and one with the bits of both classes
    for damaged in (content[:-1], content[::-1]):
        table.write_bytes(damaged)
        assert merge_again(path, tmp_path) == manifest
        assert table.read_bytes() == content


def test_a_shard_that_was_damaged_since_is_named_by_merge_which_shows_its_tiles(tmp_path: Path) -> None:
    path = plan(tmp_path / "source", tmp_path, write_source(tmp_path / "source"))
    shard_and_merge(path, tmp_path, tmp_path)
    shutil.rmtree(tmp_path / "datasets")
    for shard in (tmp_path / "shards").glob("*.tfrecord"):
        content = bytearray(shard.read_bytes())
        content[len(content) // 2] ^= 1
        shard.write_bytes(content)
    with pytest.raises(DataError, match=r"shard '.*\.tfrecord' is gone or damaged \(after record \d: the checksum"):
        merge_again(path, tmp_path)
    assert not published(tmp_path)


def merge_again(inventory_path: Path, data_root: Path) -> Manifest:
    artifacts = (str(data_root / name) for name in ("manifest", "report.html"))
    return merge_shards(
        str(inventory_path), [str(data_root / "receipts-0.json")], str(data_root), *artifacts, StepLog("merge")
    )


def test_receipts_are_added_in_the_order_of_the_plan_whichever_is_read_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles = write_source(tmp_path / "source", tiles_per_shard=2)
    path = plan(tmp_path / "source", tmp_path, tiles)
    first = shard_and_merge(path, tmp_path, tmp_path)
    files = published(tmp_path)
    shutil.rmtree(tmp_path / "datasets")
    delays = iter(range(9, -1, -1))

    def slow(data_root: str, planned: PlannedShard, inventory: Inventory) -> tuple[ShardReceipt, str]:
        time.sleep(0.02 * next(delays))
        return checked_receipt(data_root, planned, inventory)

    monkeypatch.setattr("components.merge.merge.checked_receipt", slow)
    assert merge_again(path, tmp_path) == first
    assert published(tmp_path) == files


def test_what_a_shard_task_hands_over_and_what_a_worker_reads_do_not_grow_with_fields(tmp_path: Path) -> None:
    sizes = []
    for number, fields in enumerate((2, 16)):
        place = tmp_path / str(number)
        tiles = write_source(place / "source", train=16, tiles_per_shard=16)
        tiles = [msgspec.structs.replace(tile, field_id=f"{tile.split}-{i % fields}") for i, tile in enumerate(tiles)]
        manifest = shard_and_merge(plan(place / "source", place, tiles), place, place)
        (rows,) = (place / "datasets").glob("*/fields.jsonl")
        sizes.append((len(manifest.to_json()), (place / "receipts-0.json").stat().st_size, len(rows.read_bytes())))
    assert abs(sizes[1][0] - sizes[0][0]) < 10
    assert sizes[1][1] == sizes[0][1]
    assert sizes[1][2] > 2 * sizes[0][2]
