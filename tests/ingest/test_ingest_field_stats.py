"""What the paper release states of its labels reaches the shard stage, tile by tile."""

import json

import msgspec
import pytest
from tile_listing import release_files, write_files

from components.agrivision import PAPER_2020
from components.contracts import Annotation, SourceTile
from components.ingest.field_stats import stated_annotations
from components.ingest.inventory import build_inventory
from components.ingest.settings import IngestSettings
from components.progress import StepLog

STATED = {"label_counts": {"water": 2, "drydown": 0}, "label_areas": {"water": [30, 50.4], "drydown": []}}
WATER = {"water": Annotation(2, 50, 80)}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"train": {"field_bounds/A_0-0-9-9.png": STATED}}, {"A_0-0-9-9": WATER}),
        ({"A_0-0-9-9.jpg": {"split": "train", **STATED}}, {"A_0-0-9-9": WATER}),
        ({"val": {"A": {"label_counts": {"water": 0}}}}, {"A": {}}),  # stated: there is none
        ({"val": {"A": {"label_counts": {"water": 1}}}}, {"A": {"water": Annotation(1, 0, 0)}}),
        ({"val": {"A": {"label_counts": {"water": "many"}, "label_areas": 7}}}, {"A": {}}),
        ({"train": ["A", "B"], "val": {"C": {"image_area": 9}}}, {}),
        ([1, 2], {}),
    ],
)
def test_the_forms_that_are_about_are_read_and_others_say_nothing(content, expected):
    assert dict(stated_annotations(content)) == expected


def test_a_tile_carries_what_is_stated_and_a_split_by_field_is_balanced_by_it(tmp_path):
    names = [f"F{field}_{512 * tile}-0-{512 * tile + 512}-512" for field in range(30) for tile in range(2)]
    source_uri = write_files(tmp_path / "tiles", release_files(PAPER_2020, "data2018_miniscale", names))
    rare = ("F3", "F14", "F25")
    stats = {
        f"field_bounds/{name}.png": {"label_counts": {"water": name.split("_")[0] in rare, "drydown": 1}}
        for name in names
    }
    stats = {
        key: {"label_counts": {n: int(c) for n, c in value["label_counts"].items()}} for key, value in stats.items()
    }
    (tmp_path / "tiles" / "data2018_miniscale" / "field_stats.json").write_text(json.dumps(stats))
    for seed in range(3):
        inventory = build_inventory(
            source_uri, str(tmp_path / "data"), IngestSettings(num_workers=2, seed=seed), StepLog("ingest")
        )
        assert inventory.split_origin == "by field, balanced by class"
        tiles = [
            msgspec.json.decode(line, type=SourceTile)
            for partition in inventory.partitions
            for line in (tmp_path / "data" / partition.path).read_bytes().splitlines()
        ]
        assert len(tiles) == 60
        assert {tile.split for tile in tiles if "water" in (tile.annotated or {})} == {"train", "val", "test"}
        assert all(tile.annotated["drydown"] == Annotation(1, 0, 0) for tile in tiles if tile.annotated)
