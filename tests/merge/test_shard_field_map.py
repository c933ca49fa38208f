import base64
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image
from sharded import shard_and_merge
from small_source import encoded, plan, rectangle, write_file, write_source

from components.contracts import Inventory, SourceFile, SourceTile
from components.dataset.field_file import read_fields
from components.merge.report.field_map import ShownField, choose_fields, field_map_blocks


def pictures(blocks: list[str]) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', "".join(blocks))
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))).astype(int) for content in found]


def plain_tile(root: Path, name: str, colour: tuple[int, int, int], label: Image.Image) -> SourceTile:
    return SourceTile(
        tile_id=name, field_id="F", split="train", shard=0,
        rgb=write_file(root, f"rgb/{name}.jpg", encoded(Image.new("RGB", (64, 64), colour), "JPEG")),
        labels={"weed_cluster": write_file(root, f"labels/{name}.png", encoded(label, "PNG"))},
    )  # fmt: skip


def test_each_tile_is_in_its_place_with_its_labels(tmp_path: Path) -> None:
    tiles = [
        plain_tile(tmp_path, "F_1000-500-1064-564", (250, 20, 20), rectangle(0, 0, 0, 0)),
        plain_tile(tmp_path, "F_1096-500-1160-564", (20, 20, 250), rectangle(0, 0, 32, 64)),
        plain_tile(tmp_path, "F_1000-596-1064-660", (20, 250, 20), rectangle(0, 0, 0, 0)),
    ]
    tiles[2] = SourceTile(tile_id=tiles[2].tile_id, field_id="F", split="train", shard=0, rgb=SourceFile("gone", 1, ""))
    inventory = Inventory.read(plan(tmp_path, tmp_path, tiles[:1]))
    bands, labels = pictures(field_map_blocks([ShownField("F", "train", ("weed_cluster",))], {"F": tiles}, inventory))
    assert bands.shape == labels.shape == (640, 640, 3)  # of 160 px: four to one
    nothing = bands[320, 320]
    assert abs(bands[128, 128] - [250, 20, 20]).max() < 12
    assert abs(bands[128, 512] - [20, 20, 250]).max() < 12
    assert abs(bands[512, 128] - nothing).max() < 12  # the source has it no more: the window stays empty
    assert abs(bands[512, 512] - nothing).max() < 12  # no tile was cut here
    assert np.ptp(labels[128, 128]) < 12  # grey, as it has no label
    assert np.ptp(labels[128, 448]) > 60  # its left half is weeds
    assert np.ptp(labels[128, 600]) < 12
    assert bands[512, 2:254].min() < 100  # but its outline is there


def test_the_fields_shown_have_most_classes_and_tiles(tmp_path: Path) -> None:
    # The fields have three tiles each; only the last of val and test has one.
    manifest = shard_and_merge(
        plan(tmp_path / "source", tmp_path, write_source(tmp_path / "source")), tmp_path, tmp_path
    )
    (path,) = (tmp_path / "datasets").glob("*/manifest.json")
    fields = read_fields(str(path), manifest)
    assert choose_fields(fields) == [
        ShownField("TRAIN3", "train", ("drydown", "weed_cluster")),
        ShownField("TEST0", "test", ("drydown", "weed_cluster")),
    ]
