import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tile_shards import manifest_of
from typer.testing import CliRunner

from components.contracts import FieldSums, SplitSummary
from components.dataset.drift.compare import compare, compare_manifests
from components.dataset.drift.findings import percent
from components.dataset.field_arrays import FieldArrays
from components.dataset.field_file import field_file
from components.dataset.field_table import FieldTable
from components.errors import DataError
from pipeline.cli import app

TILES_PER_FIELD = 10
PIXELS_PER_TILE = 100


def dataset(
    seed: int = 0,
    num_fields: int = 60,
    weeds: float = 0.2,
    nir: float = 100,
    contrast: float = 30,
    alike: bool = False,
    two_peaks: bool = False,
    **changes: object,
) -> FieldArrays:
    """Fields of ten tiles, split in two: `weeds` of the tiles have weed_cluster, and most have drydown.

    Args:
      nir, contrast: Mean and deviation of the band nir, in 0..255; those of red are 100 and 30.
      alike: All tiles of a field have weeds, or none has.
      two_peaks: The band nir has its mean and deviation, but no pixel near the mean.
    """
    draw = random.Random(seed)
    rows, histograms = [], np.zeros((2, 2, 256), int)  # by split and band
    for number in range(num_fields):
        chance = float(number % 10 < 10 * weeds) if alike else weeds
        num_weeds = sum(draw.random() < chance for _ in range(TILES_PER_FIELD))
        num_pixels = PIXELS_PER_TILE * TILES_PER_FIELD
        pixels = []
        for band, (mean, std) in enumerate(((100, 30), (nir, contrast))):
            brightness = draw.gauss(mean, 5)  # fields differ by a sixth of a deviation
            values = np.clip(np.random.default_rng([seed, number, band]).normal(brightness, std, num_pixels), 0, 255)
            if two_peaks and band == 1:
                values = np.clip(
                    brightness + np.where(values < brightness, -28, 28) + (values - brightness) / 3, 0, 255
                )
            pixels.append(values.astype(int))
            histograms[number % 2, band] += np.bincount(pixels[-1], minlength=256)
        class_tiles = {"weed_cluster": num_weeds} if num_weeds else {}
        rows.append(
            FieldSums(
                f"F{number:04}", 2018, TILES_PER_FIELD, num_pixels, {**class_tiles, "drydown": 7},
                {name: 10 * count for name, count in {**class_tiles, "drydown": 7}.items()},
                tuple(int(values.sum()) for values in pixels), tuple(int((values**2).sum()) for values in pixels),
            )
        )  # fmt: skip
    splits = {
        "train": summary(rows[::2], histograms[0]),
        "val": summary(rows[1::2], histograms[1]),
    }
    table = FieldTable(("drydown", "weed_cluster"), num_bands=2)
    table.add("train", rows[::2])
    table.add("val", rows[1::2])
    changes = {"classes": table.classes, "bands": ("red", "nir"), **changes}
    with field_file(table) as (_, sha256):
        return FieldArrays(manifest_of(splits, 512, fields_sha256=sha256, **changes), table)


def write(data: FieldArrays, folder: Path) -> str:
    """Writes the manifest and the sums by field, as merge does, and returns the manifest's path."""
    folder.mkdir()
    with field_file(data.table) as (path, _):
        shutil.copy(path, folder)
    data.manifest.write(folder / "manifest.json")
    return str(folder / "manifest.json")


def summary(rows: Sequence[FieldSums], histograms: np.ndarray) -> SplitSummary:
    return SplitSummary(
        num_tiles=sum(row.num_tiles for row in rows), num_fields=len(rows), num_single_label=0,
        class_tiles=(0, 0), class_pixels=(0, 0), cooccurrence=((0, 0), (0, 0)), valid_pixels=0,
        band_mean=(0.0, 0.0), band_std=(0.0, 0.0), records_sha256="0" * 64,
        band_histogram=tuple(tuple(row) for row in histograms.tolist()), shards=(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "no shift"),
        ({"weeds": 0.25}, "no shift"),  # real, but too small to matter
        ({"weeds": 0.45}, "shift: weed_cluster 20 % → 43 %"),
        ({"weeds": 0.0}, "shift: weed_cluster 20 % → 0 %"),
        ({"nir": 120}, "shift: nir mean +0.07"),
        ({"nir": 104}, "no shift"),
        ({"contrast": 45}, "shift: nir deviation 0.12 → 0.17"),
        ({"weeds": 0.45, "nir": 80, "contrast": 15}, (
            "shift: weed_cluster 20 % → 43 %; nir mean -0.08, deviation 0.12 → 0.06")),
        ({"two_peaks": True}, "shift: nir histogram 0.59 apart"),
        ({"two_peaks": True, "num_fields": 9}, "no shift; too few fields to tell: 9 against 60, need at least 10 each"),
        ({"tile_size_px": 128}, (
            "no shift; tiles are stored at 128 px, earlier ones at full size, and smaller ones have less contrast")),
        # The same shares among few fields, or among fields that are all weeds or none, prove nothing.
        ({"weeds": 0.45, "num_fields": 9}, "no shift; too few fields to tell: 9 against 60, need at least 10 each"),
        ({"weeds": 0.5, "num_fields": 10, "alike": True}, "no shift"),
        ({"classes": ("drydown", "water")}, "no shift; only here: water; only in the earlier one: weed_cluster"),
    ],
)  # fmt: skip
def test_a_shift_is_what_is_real_and_large(changes: dict, verdict: str) -> None:
    assert compare(dataset(seed=1, **changes), dataset(seed=0)).verdict == verdict


def test_a_dataset_has_not_shifted_against_itself() -> None:
    drift = compare(dataset(), dataset())
    assert not drift.is_shift
    assert drift.total_variation == 0
    assert {shift.p_value for shift in drift.classes} == {1.0}
    assert {band.distance for band in drift.bands} == {0.0}
    assert {band.jensen_shannon for band in drift.bands} == {drift.jensen_shannon} == {0.0}


def test_a_histogram_is_no_shift_where_the_splits_of_one_dataset_differ_as_much() -> None:
    old, new = dataset(), dataset(two_peaks=True)
    splits = {"train": old.manifest.splits["train"], "val": new.manifest.splits["val"]}
    mixed = FieldArrays(msgspec.structs.replace(old.manifest, splits=splits), old.table)
    assert compare(new, old).bands[1].is_shape_shift
    assert not compare(new, mixed).bands[1].is_shape_shift
    alone = FieldArrays(
        msgspec.structs.replace(old.manifest, splits={"train": old.manifest.splits["train"]}), old.table
    )
    band = compare(alone, alone).bands[1]
    assert (band.split_jensen_shannon, band.is_shape_shift) == (None, False)  # nothing to judge it by


@pytest.mark.parametrize(("share", "text"), [(0, "0 %"), (0.004, "0.4 %"), (0.1249, "12 %"), (1, "100 %")])
def test_a_share_is_not_rounded_to_nothing(share: float, text: str) -> None:
    assert percent(share) == text


def test_the_command_prints_the_verdict_first_and_a_table(tmp_path: Path) -> None:
    new = write(dataset(seed=1, weeds=0.45, nir=120), tmp_path / "new")
    old = write(dataset(), tmp_path / "old")
    result = CliRunner().invoke(app, ["drift", new, old])
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    assert result.output.splitlines()[0] == "shift: weed_cluster 20 % → 43 %; nir mean +0.07"
    assert ["weed_cluster", "20", "%", "43", "%", "0.25", "<", "0.001", "yes"] in lines
    assert ["red", "0.398", "0.393", "-0.04", "0.004", "0.02", "0.03"] in lines


def test_what_cannot_be_compared_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no manifest at '.*nowhere.json'; expected"):
        compare_manifests(str(tmp_path / "nowhere.json"), str(tmp_path / "nowhere.json"))
    with pytest.raises(DataError, match="no class is in both datasets: ant, bee here, drydown, weed_cluster in"):
        compare(dataset(classes=("ant", "bee")), dataset())
    path = write(dataset(), tmp_path / "data")
    fields = tmp_path / "data" / "fields.jsonl"
    content = fields.read_bytes()
    fields.write_bytes(content.replace(b'"drydown":7', b'"drydown":8', 1))
    with pytest.raises(
        DataError, match=r"fields.jsonl' has sha256 .*, expected .*; delete it and run the pipeline again"
    ):
        compare_manifests(path, path)
    fields.unlink()
    with pytest.raises(
        DataError, match=r"the sums by field of dataset .* are missing: no '.*/data/fields.jsonl'; they lie"
    ):
        compare_manifests(path, path)
    msgspec.structs.replace(dataset().manifest, fields_sha256="").write(tmp_path / "bare.json")
    with pytest.raises(DataError, match="has no sums by field, because an earlier version made it"):
        compare_manifests(str(tmp_path / "bare.json"), path)
