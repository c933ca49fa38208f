"""What differs between two sources, and which lines of ingest a dataset was made of."""

import os
from pathlib import Path

import msgspec
import pytest
from ingested import build
from model_cards import publish
from sharded import shard_and_merge
from small_source import write_source
from tile_listing import fake_tile, write_files

from components import storage
from components.contracts import Annotation, Channel, Inventory, Manifest, SourceFile, SourceTile
from components.dataset.temporary_database import temporary_database
from components.errors import DataError, SettingsError
from components.ingest.settings import IngestSettings
from components.ingest.survey import paired_source
from components.ingest.tile_table import TileTable
from components.progress import StepLog
from components.registry import channel_uri
from components.source_digest import placeless_line
from pipeline.parameters import PARAMETERS, Parameters
from pipeline.retrain.change_key import NOT_IN_KEY, for_fingerprint, result_parameters
from pipeline.retrain.inventories import all_tile_lines, without_place
from pipeline.retrain.reference import find_reference
from pipeline.retrain.tile_changes import ClassShare, TileChanges, TileCount, compare_tiles

MASK = SourceFile("labels/m.png", 10, "1")


def tile(number: int, **changes: object) -> SourceTile:
    return msgspec.structs.replace(fake_tile("FIELD", number), **changes)


def compared(old: list[SourceTile], new: list[SourceTile], cache_kb: int = 64) -> TileChanges:
    lines = [
        placeless_line(each).replace(b'"shard":0,"split":""', b'"shard":%d,"split":"train"' % number)
        for number, each in enumerate(old)
    ]
    with temporary_database() as database:
        table = TileTable(database, 0)
        table.add(new)
        table.finish()
        return compare_tiles(lines, table, "inventories/x", cache_kb)


A, B, C = tile(1), tile(2), tile(3)
NONE = TileCount()


def one(each: SourceTile) -> TileCount:
    return TileCount(1, (each.tile_id,))


@pytest.mark.parametrize(
    ("old", "new", "new_count", "changed", "gone", "num_same"),
    [
        ([A, B], [B, A], NONE, NONE, NONE, 2),  # neither order nor place in the shards counts
        ([A], [A, B], one(B), NONE, NONE, 1),
        ([A, B], [A], NONE, NONE, one(B), 1),
        ([A], [B], one(B), NONE, one(A), 0),
        ([], [A, B], TileCount(2, (A.tile_id, B.tile_id)), NONE, NONE, 0),
        ([A], [tile(1, rgb=SourceFile(A.rgb.path, A.rgb.num_bytes, "2"))], NONE, one(A), NONE, 0),
        ([A], [tile(1, rgb=SourceFile(A.rgb.path, 7, "1"))], NONE, one(A), NONE, 0),
        ([A], [tile(1, nir=SourceFile("nir.jpg", 7, "1"))], NONE, one(A), NONE, 0),
        ([A], [tile(1, labels={"weed": MASK})], NONE, one(A), NONE, 0),  # a new mask is a new label
        ([A], [tile(1, field_id="OTHER")], NONE, one(A), NONE, 0),
    ],
)
def test_tiles_are_new_changed_gone_or_the_same(old, new, new_count, changed, gone, num_same):
    found = compared(old, new)

    assert (found.new, found.changed, found.gone, found.num_same) == (new_count, changed, gone, num_same)


def test_only_the_first_few_are_named_however_many_there_are():
    many = [tile(number) for number in range(10, 3010)]
    found = compared([], many)

    assert (found.new.num_tiles, len(found.new.examples)) == (3000, 3)
    assert list(found.new.examples) == sorted(each.tile_id for each in many)[:3]


@pytest.mark.parametrize(
    ("old", "new", "shares"),
    [
        ([A, B], [A, B], ()),
        # By the folder of the picture.
        (
            [tile(1, classes=("a",)), tile(2, classes=("b",))],
            [tile(1, classes=("a",)), tile(2, classes=("a",)), tile(3, classes=("a",)), tile(4, classes=("b",))],
            (ClassShare("a", 0.5, 0.75), ClassShare("b", 0.5, 0.25)),
        ),
        # By the folder of the mask.
        ([tile(1, labels={"a": MASK}), B], [A, B], (ClassShare("a", 0.5, 0.0),)),
        # By the statistics, which count where every tile has every mask.
        (
            [tile(1, labels={"a": MASK}, annotated={}), B],
            [tile(1, labels={"a": MASK}, annotated={"a": Annotation(9, 9, 9)}), B],
            (ClassShare("a", 0.0, 0.5),),
        ),
        # Every tile has a file of every class: the names tell nothing.
        ([tile(1, labels={"a": MASK})], [tile(2, labels={"a": MASK})], ()),
        # The one that moved furthest is the first; a class may be new.
        (
            [tile(1, classes=("a",)), tile(2, classes=("b",)), tile(3, classes=("b",)), tile(4, classes=("b",))],
            [tile(1, classes=("a",)), tile(2, classes=("c",)), tile(3, classes=("c",)), tile(4, classes=("b",))],
            (ClassShare("b", 0.75, 0.25), ClassShare("c", 0.0, 0.5), ClassShare("a", 0.25, 0.25)),
        ),
    ],
)
def test_the_shares_of_classes_are_told_from_names(old, new, shares):
    assert compared(old, new).classes == shares


def test_a_line_that_is_no_tile_is_named():
    with temporary_database() as database:
        table = TileTable(database, 0)
        table.finish()
        with pytest.raises(DataError, match="a line of inventories/x is no tile"):
            compare_tiles([b'{"tile_id": 7}'], table, "inventories/x")


def test_a_tile_that_is_called_like_a_place_is_left_as_it_is():
    line = placeless_line(tile(1, rgb=SourceFile('a"shard":7,"split":"test",.jpg', 1, "1")))

    assert without_place(line) == line


def ingested(root: Path, name: str) -> tuple[Inventory, Manifest]:
    settings = {"classes": "drydown,weed_cluster", "layout": "supervised-2021", "shard_size_mb": 1, "num_workers": 4}
    inventory = build(str(root / "source"), root / "data", **settings)
    inventory.write(root / f"{name}.json")
    return inventory, shard_and_merge(root / f"{name}.json", root / "data", root)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory) -> tuple[Path, list[tuple[Inventory, Manifest]]]:
    """Three: of the second one tile has another picture, of the third only a time is another."""
    root = tmp_path_factory.mktemp("datasets")
    write_source(root / "source", train=8, val=2, test=6, tiles_per_shard=2)
    found = [ingested(root, "first")]
    one, another = sorted((root / "source/train/images/rgb").iterdir())[:2]
    one.write_bytes(another.read_bytes()[:-2] + b"\x00\xff\xd9")
    found.append(ingested(root, "second"))
    os.utime(one, ns=(1, 1))
    return root, [*found, ingested(root, "third")]


@pytest.mark.slow
@pytest.mark.parametrize(("which", "likely"), [(0, 0), (0, 2), (1, 1), (1, 0), (2, 2)])
def test_production_leads_to_the_tiles_it_was_trained_on(which, likely, datasets, tmp_path):
    root, found = datasets
    (first, manifest), (_, second), (third, last) = found
    shards = [{shard.path for split in each.splits.values() for shard in split.shards} for each in (manifest, second)]
    assert shards[0] != shards[1]
    assert shards[0] & shards[1]  # or it would be too easy
    assert second.sha256 == last.sha256  # a time is no part of a dataset
    inventory, wanted = found[which]
    publish(str(tmp_path), "v1", manifest_sha256=wanted.sha256)
    storage.write_bytes(channel_uri(str(tmp_path), "production"), Channel(version="v1").to_json())

    reference = find_reference(str(root / "data"), str(tmp_path), "gs://b/any")
    lines = reference.tile_lines(str(root / "data"), 65_535, found[likely][0].fingerprint)

    assert reference.name == f"production, version v1, trained on dataset {wanted.dataset_id}"
    possible = [each.fingerprint[:16] for each, made in found if made.sha256 == wanted.sha256]
    assert lines.fingerprint_start in possible
    if likely == which:
        assert lines.fingerprint_start == inventory.fingerprint[:16]
    assert len({first.fingerprint, third.fingerprint}) == 2


def test_the_fingerprint_is_ingests_even_where_ingest_rejects_a_picture_that_is_in_two_classes(tmp_path):
    paths = [f"{name}/{name}{number}.jpg" for name in ("corn", "wheat") for number in range(200)]
    source = write_files(tmp_path / "tiles", [*paths, "notes.txt"])
    (tmp_path / "tiles/wheat/wheat0.jpg").write_bytes((tmp_path / "tiles/corn/corn0.jpg").read_bytes())

    inventory = build(source, tmp_path / "data", max_bad_fraction=0.1)
    with paired_source(storage.list_source(source), source, IngestSettings(num_workers=1), StepLog("x")) as paired:
        fingerprint = paired.table.fingerprint

    assert len(inventory.rejected) == 2
    assert fingerprint == inventory.fingerprint


def test_there_is_nothing_to_compare_with_where_nothing_was_made(tmp_path):
    assert find_reference(str(tmp_path / "data"), str(tmp_path / "models"), "gs://b/tiles") is None
    assert all_tile_lines(str(tmp_path / "data")) == []


def test_what_is_no_part_of_the_key_is_a_parameter_and_has_a_reason():
    assert set(NOT_IN_KEY) <= set(PARAMETERS)
    assert all(NOT_IN_KEY.values())
    assert set(result_parameters(Parameters())) == set(PARAMETERS) - set(NOT_IN_KEY)


def test_another_way_to_write_a_place_is_no_other_change(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    ways = [("gs://b/tiles", "models"), ("gs://b/tiles/", str(tmp_path / "models")), ("gs://b/tiles", "./models/")]
    keys = [result_parameters(Parameters(source_uri=source, models_uri=models)) for source, models in ways]

    assert keys[0] == keys[1] == keys[2]


@pytest.mark.parametrize("name", ["source_uri", "ingest_classes"])
def test_a_parameter_that_no_document_can_hold_is_refused(name):
    with pytest.raises(SettingsError, match=f"{name} is not UTF-8, got .*udcff"):
        result_parameters(Parameters(**{name: "a\udcff,b"}))


def test_kubeflow_lists_a_source_that_has_changed_anew():
    assert for_fingerprint(Parameters(), "0123456789abcdef" * 4).run.source_version == "0123456789abcdef"
    assert for_fingerprint(Parameters(source_version="mine"), "f" * 64).run.source_version == "mine"
