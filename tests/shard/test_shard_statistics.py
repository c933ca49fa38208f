import collections
import itertools
import random
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sharded import shard_and_merge
from small_source import plan, write_file, write_source

from components.contracts import FieldSums
from components.dataset.dataset_sums import mean_and_std
from components.dataset.drift.findings import percent
from components.dataset.field_file import read_fields
from components.dataset.field_table import FieldTable


@pytest.mark.parametrize(
    ("values", "mean", "std"),
    [
        ([0, 0, 0], 0.0, 0.0),
        ([255], 1.0, 0.0),
        ([0, 255], 0.5, 0.5),
        ([51, 102], 0.3, 0.1),
    ],
)
def test_mean_and_std_follow_from_the_counts(values: list[int], mean: float, std: float) -> None:
    histogram = np.bincount(values, minlength=256).tolist()
    assert mean_and_std(histogram) == (pytest.approx(mean), pytest.approx(std))


def test_a_full_release_of_one_bright_band_does_not_lose_its_spread() -> None:
    """95,000 tiles of 512 px: the squares sum up to 1.6e15, beyond what float32 and naive sums keep apart."""
    histogram = [0] * 256
    histogram[254], histogram[255] = 24_903_680_000 - 1, 1
    _, std = mean_and_std(histogram)
    assert std == pytest.approx((1 / 24_903_680_000) ** 0.5 / 255, rel=1e-6)


def test_the_rows_of_a_field_add_up_whatever_their_order() -> None:
    rows = [
        FieldSums("B", 2018, 2, 10, {"water": 1}, {"water": 4}, (5, 6), (50, 60)),
        FieldSums("A", 2019, 1, 7, {"water": 1}, {"water": 7}, (1, 1), (1, 1)),
        FieldSums("B", 2018, 3, 20, {"drydown": 3, "water": 1}, {"drydown": 9, "water": 2}, (2, 3), (20, 30)),
        FieldSums("B", 2017, 1, 5, {}, {"water": 1}, (4, 4), (40, 40)),  # another year; too few pixels
    ]
    expected = (
        FieldSums("A", 2019, 1, 7, {"water": 1}, {"water": 7}, (1, 1), (1, 1)),
        FieldSums("B", 2017, 1, 5, {}, {"water": 1}, (4, 4), (40, 40)),
        FieldSums("B", 2018, 5, 30, {"water": 2, "drydown": 3}, {"water": 6, "drydown": 9}, (7, 9), (70, 90)),
    )
    for order in itertools.permutations(rows):
        table = FieldTable(("water", "drydown"), num_bands=2)
        for row in order:
            table.add("train", [row])
        assert list(table.rows()) == [("train", row) for row in expected]
        assert table.num_classes().sum() == 3  # pixels alone do not make a tile of the class


def test_thousands_of_fields_are_added_up_as_one_by_one() -> None:
    classes = tuple(f"class-{index}" for index in range(300))
    draw = random.Random(3)
    table, pixels = FieldTable(classes, num_bands=1), collections.Counter()
    expected = collections.defaultdict(lambda: (0, 0, {}))
    for _ in range(200):
        split, rows = draw.choice(("train", "val")), []
        for _ in range(draw.randrange(200)):
            name, year, values = f"F{draw.randrange(2000)}", draw.choice((2017, 2018)), draw.randrange(2**40)
            label = draw.choice(classes)
            rows.append(FieldSums(name, year, 1, 1, {label: 1}, {label: values}, (values,), (values,)))
            pixels[label] += values
            num_tiles, total, labels = expected[split, name, year]
            expected[split, name, year] = (num_tiles + 1, total + values, labels | {label: labels.get(label, 0) + 1})
        table.add(split, rows)
    assert {
        (split, row.field_id, row.year): (row.num_tiles, row.band_sums[0], row.class_tiles)
        for split, row in table.rows()
    } == expected
    names = {split: {name for other, name, _ in expected if other == split} for split in ("train", "val")}
    assert table.num_fields("val") == len(names["val"])
    assert table.num_fields() == len(names["train"] | names["val"])
    assert table.in_two_splits() == sorted(names["train"] & names["val"])
    assert table.class_tiles("class-7").sum() == sum(labels.get("class-7", 0) for _, _, labels in expected.values())
    assert {name: table.class_pixels(name).sum() for name in classes} == {name: pixels[name] for name in classes}
    assert table.num_classes().sum() == sum(len(labels) for _, _, labels in expected.values())
    tiles = collections.Counter()
    for (split, name, _), each in expected.items():
        tiles[name] += each[0] if split == "val" else 0
    assert sorted(table.tiles_by_field("val").tolist()) == sorted(tiles[name] for name in names["val"])


def test_the_sums_by_field_are_those_of_the_split(tmp_path: Path) -> None:
    tiles = write_source(tmp_path / "source")
    for number, tile in enumerate(tiles):  # as in the paper release, where a folder tells the year
        path = f"data{2017 + number % 2}_miniscale/field_images/rgb/{tile.tile_id}.jpg"
        content = (tmp_path / "source" / tile.rgb.path).read_bytes()
        tiles[number] = msgspec.structs.replace(tile, rgb=write_file(tmp_path / "source", path, content))
    manifest = shard_and_merge(plan(tmp_path / "source", tmp_path, tiles), tmp_path, tmp_path)
    (path,) = (tmp_path / "datasets").glob("*/manifest.json")
    rows = list(read_fields(str(path), manifest).rows())
    for name, split in manifest.splits.items():
        fields = [row for of_split, row in rows if of_split == name]
        assert {field.year for field in fields} == {2017, 2018}
        assert sum(field.num_tiles for field in fields) == split.num_tiles
        assert sum(field.valid_pixels for field in fields) == split.valid_pixels
        for index, label in enumerate(manifest.classes):
            assert sum(field.class_tiles.get(label, 0) for field in fields) == split.class_tiles[index]
            assert sum(field.class_pixels.get(label, 0) for field in fields) == split.class_pixels[index] > 0
        for index, counts in enumerate(split.band_histogram):
            values = np.arange(256)
            assert sum(field.band_sums[index] for field in fields) == int(values @ counts)
            assert sum(field.band_squares[index] for field in fields) == int(values**2 @ counts)
    section = (tmp_path / "report.html").read_text().replace("<wbr>", "").partition("valid pixels with the class")[2]
    for label in manifest.classes:
        shares = []
        for year in (2017, 2018):
            of_year = [row for _, row in rows if row.year == year]
            pixels = sum(row.class_pixels.get(label, 0) for row in of_year)
            shares.append(percent(pixels / sum(row.valid_pixels for row in of_year)))
        assert re.search("".join([f"<td>{label}</td>", *(f"<td[^>]*>{share}</td>" for share in shares)]), section)
