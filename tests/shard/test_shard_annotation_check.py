"""The masks are compared with what the release states of them; what does not agree is said, tile by tile."""

import json
from pathlib import Path

import pytest
from sharded import shard_and_merge

from components.agrivision import PAPER_2020
from components.contracts import Annotation
from components.ingest.inventory import build_inventory
from components.ingest.settings import IngestSettings
from components.progress import StepLog
from components.shard.annotation_check import disagreement
from components.synth.dataset import write_dataset


@pytest.mark.parametrize(
    ("annotated", "pixels", "expected"),
    [
        (None, {"water": 9}, ""),  # nothing is stated
        ({}, {}, ""),
        ({}, {"water": 0, "drydown": 0}, ""),
        ({"water": Annotation(2, 60, 100)}, {"water": 100}, ""),
        ({"water": Annotation(2, 60, 100)}, {"water": 60}, ""),  # one region inside the other
        ({"water": Annotation(1, 1000, 1000)}, {"water": 1019}, ""),  # drawn by another rule
        ({"water": Annotation(1, 0, 0)}, {"water": 5}, ""),  # no area is given
        ({"silo": Annotation(1, 10, 10)}, {}, ""),  # of a class that is not used
        ({"water": Annotation(1, 10, 10)}, {"water": 0}, "water: 1 region annotated, the mask is empty"),
        ({"water": Annotation(3, 10, 20)}, {}, "water: 3 regions annotated, the mask is empty"),
        ({}, {"water": 1200}, "water: no region annotated, 1,200 px in the mask"),
        (
            {"water": Annotation(2, 600, 1000)}, {"water": 1100},
            "water: 2 regions of 600 to 1,000 px annotated, 1,100 px in the mask",
        ),
        (
            {"water": Annotation(1, 1000, 1000)}, {"water": 900, "drydown": 1},
            "drydown: no region annotated, 1 px in the mask; water: 1 region of 1,000 px annotated, 900 px in the mask",
        ),
    ],
)  # fmt: skip
def test_what_does_not_agree_is_said_class_by_class(annotated, pixels, expected):
    assert disagreement(annotated, ("drydown", "water"), pixels) == expected


def test_the_release_agrees_with_its_masks_but_for_what_was_changed(tmp_path: Path) -> None:
    write_dataset(tmp_path / "tiles", layout=PAPER_2020, num_tiles=30, seed=3, tile_size_px=64)
    path = sorted(tmp_path.glob("tiles/*/field_stats.json"))[0]
    stats = json.loads(path.read_text())
    name, stated = next(iter(stats["train"].items()))
    shown = next(label for label, count in stated["label_counts"].items() if count)
    stated["label_counts"][shown] = 0
    path.write_text(json.dumps(stats))
    inventory = build_inventory(
        str(tmp_path / "tiles"), str(tmp_path), IngestSettings(num_workers=2), StepLog("ingest")
    )
    inventory.write(tmp_path / "inventory")
    manifest = shard_and_merge(tmp_path / "inventory", tmp_path, tmp_path)
    assert [note.tile_id for note in manifest.notes] == [Path(name).stem]
    assert manifest.notes[0].text.startswith(f"{shown}: no region annotated, ")
    assert manifest.num_tiles == 30
