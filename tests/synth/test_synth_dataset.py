"""Look-alike datasets on disk: trees, files, reproducibility, refusals."""

import collections
import functools
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from components.agrivision import (
    CHALLENGE_2020,
    CHALLENGE_2020_CLASSES,
    CLASS_FOLDERS,
    PAPER_2020,
    PAPER_2020_CLASSES,
    SPLITS,
    SUPERVISED_2021,
    parse_tile_id,
)
from components.errors import SettingsError
from components.synth.dataset import SynthSummary, write_dataset

_YEARS = (2017, 2018, 2019)
_Written = Callable[[str], tuple[Path, SynthSummary]]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> _Written:
    """Writes 60 tiles of a layout, once for all tests: the folder and the summary."""

    @functools.cache
    def write(layout: str) -> tuple[Path, SynthSummary]:
        out_dir = tmp_path_factory.mktemp("synth") / layout
        summary = write_dataset(out_dir, layout=layout, num_tiles=60, seed=1, tile_size_px=64, num_processes=1)
        return out_dir, summary

    return write


def _digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def _pixels(path: Path) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("layout", [PAPER_2020, CLASS_FOLDERS])
def test_a_dataset_is_the_same_to_the_byte_however_many_processes_write_it(tmp_path: Path, layout: str) -> None:
    for name, seed, num_processes in (("one", 5, 1), ("two", 5, 2), ("other", 6, 1)):
        write_dataset(
            tmp_path / name, layout=layout, num_tiles=20, seed=seed, tile_size_px=64, num_processes=num_processes
        )
    one = _digests(tmp_path / "one")
    assert one == _digests(tmp_path / "two")
    assert not set(one.values()) & {
        digest for path, digest in _digests(tmp_path / "other").items() if path.endswith(".jpg")
    }


@pytest.mark.parametrize(
    ("layout", "classes", "split", "top", "labels"),
    [
        *((PAPER_2020, PAPER_2020_CLASSES, None, f"data{year}_miniscale", "field_labels") for year in _YEARS),
        (CHALLENGE_2020, CHALLENGE_2020_CLASSES, "train", "train", "labels"),
        (CHALLENGE_2020, CHALLENGE_2020_CLASSES, "val", "val", "labels"),
        (CHALLENGE_2020, CHALLENGE_2020_CLASSES, "test", "test", None),  # labels are kept back
        (SUPERVISED_2021, PAPER_2020_CLASSES, "train", "train", "labels"),  # has the folder storm_damage
        (SUPERVISED_2021, PAPER_2020_CLASSES, "test", "test", None),
    ],
)
def test_every_tile_has_all_files_of_its_layout(
    written: _Written, layout: str, classes: tuple[str, ...], split: str | None, top: str, labels: str | None
) -> None:
    root = written(layout)[0] / top
    images, boundary, mask = (
        ("field_images", "field_bounds", "field_masks") if split is None else ("images", "boundaries", "masks")
    )
    stems = {path.stem for path in (root / images / "rgb").iterdir()}
    assert stems
    expected = {f"{images}/rgb", f"{images}/nir", boundary, mask}
    expected |= {f"{labels}/{name}" for name in classes} if labels else set()
    folders = {str(path.parent.relative_to(root)) for path in root.rglob("*.*") if path.suffix != ".json"}
    assert folders == expected
    assert (root / "labels").exists() == (labels == "labels")
    for folder in expected:
        assert {path.stem for path in (root / folder).iterdir()} == stems, folder
        for path in (root / folder).iterdir():
            tile_id = parse_tile_id(path.stem)
            assert (tile_id.x2 - tile_id.x1, tile_id.y2 - tile_id.y1) == (64, 64)
            with Image.open(path) as image:
                assert (image.size, image.mode) == ((64, 64), "RGB" if path.parent.name == "rgb" else "L")
                assert image.format == ("JPEG" if "images" in folder else "PNG")
            if path.suffix == ".png":
                assert set(np.unique(_pixels(path))) <= {0, 255}


def test_class_folders_hold_rgb_tiles_and_nothing_else(written: _Written) -> None:
    out_dir, summary = written(CLASS_FOLDERS)
    paths = [path for path in out_dir.rglob("*") if path.is_file()]
    assert {path.parent.relative_to(out_dir).parts for path in paths} == {
        (split, name) for split in SPLITS for name in PAPER_2020_CLASSES
    }
    assert {path.suffix for path in paths} == {".jpg"}
    with Image.open(paths[0]) as image:
        assert image.mode == "RGB"
    assert summary.class_counts == collections.Counter(path.parent.name for path in paths)


def test_the_paper_release_says_what_its_label_files_show(written: _Written) -> None:
    out_dir, summary = written(PAPER_2020)
    assert summary.num_tiles == 60
    assert summary.num_bytes == sum(path.stat().st_size for path in out_dir.rglob("*") if path.is_file())
    counts: collections.Counter[str] = collections.Counter()
    fields: dict[str, set[str]] = {split: set() for split in SPLITS}
    for year in _YEARS:
        root = out_dir / f"data{year}_miniscale"
        split_fields = json.loads((out_dir / f"data{year}_splits.json").read_text())
        for split, tiles in json.loads((root / "field_stats.json").read_text()).items():
            for boundary_path, stats in tiles.items():
                tile_id = parse_tile_id(Path(boundary_path).stem)
                assert (root / boundary_path).exists()
                assert tile_id.field_id in split_fields[split]
                fields[split].add(tile_id.field_id)
                shown = {
                    name
                    for name in PAPER_2020_CLASSES
                    if _pixels(root / "field_labels" / name / f"{tile_id}.png").any()
                }
                assert shown  # no tile of this release is without a class
                assert {name for name, count in stats["label_counts"].items() if count} == shown
                assert {name for name, areas in stats["label_areas"].items() if sum(areas)} == shown
                counts.update(shown)
    assert dict(counts) == summary.class_counts
    assert sum(len(ids) for ids in fields.values()) == summary.num_fields
    assert len(fields["train"] | fields["val"] | fields["test"]) == summary.num_fields  # so none is in two splits


def test_challenge_releases_have_tiles_without_any_class(written: _Written) -> None:
    train_dir = written(CHALLENGE_2020)[0] / "train"
    labels = train_dir / "labels"
    stems = [path.stem for path in (train_dir / "images" / "rgb").iterdir()]
    empty = [
        stem
        for stem in stems
        if not any(_pixels(labels / name / f"{stem}.png").any() for name in CHALLENGE_2020_CLASSES)
    ]
    assert 0.1 < len(empty) / len(stems) < 0.3


def test_overlapping_windows_show_the_same_ground(tmp_path: Path) -> None:
    out_dir = tmp_path / "tiles"
    write_dataset(out_dir, layout=CHALLENGE_2020, num_tiles=30, seed=2, tile_size_px=128, num_processes=1)
    tiles = [parse_tile_id(path.stem) for path in (out_dir / "train" / "images" / "nir").iterdir()]
    differences = []
    for one in tiles:
        for two in tiles:
            left, top = max(one.x1, two.x1), max(one.y1, two.y1)
            right, bottom = min(one.x2, two.x2), min(one.y2, two.y2)
            if one.field_id != two.field_id or str(one) >= str(two) or right - left < 32 or bottom - top < 32:
                continue
            for folder, suffix in (("images/nir", "jpg"), ("boundaries", "png"), ("labels/waterway", "png")):
                first, second = (
                    _pixels(out_dir / "train" / folder / f"{tile}.{suffix}")[
                        top - tile.y1 : bottom - tile.y1, left - tile.x1 : right - tile.x1
                    ].astype(np.float64)
                    for tile in (one, two)
                )
                difference = np.abs(first - second).mean()
                assert difference == 0.0 if suffix == "png" else difference < 8.0  # of JPEG; a shift by 2 px makes 20
                differences.append(difference)
    assert len(differences) > 30


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layout": "paper"}, r"unknown layout 'paper'; expected one of 'paper-2020', 'challenge-2020', "),
        ({"imbalance": "hard"}, r"unknown imbalance 'hard'; expected one of 'mild', 'real'"),
        ({"num_tiles": 0}, r"num_tiles must be at least 1, got 0"),
        ({"seed": -1}, r"seed must be at least 0, got -1"),
        ({"tile_size_px": 63}, r"tile_size_px must be at least 64, got 63"),
        ({"num_processes": 0}, r"num_processes must be at least 1, got 0"),
    ],
)
def test_bad_settings_are_refused_in_one_line(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"layout": PAPER_2020, "num_tiles": 1, "seed": 0, "tile_size_px": 64}
    with pytest.raises(SettingsError, match=message):
        write_dataset(tmp_path / "tiles", **(good | settings))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_refused_and_an_empty_one_is_not(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"layout": CLASS_FOLDERS, "num_tiles": 1, "seed": 0, "tile_size_px": 64}
    write_dataset(tmp_path, **settings)
    kept = _digests(tmp_path)
    with pytest.raises(SettingsError, match="is not empty; choose a new one"):
        write_dataset(tmp_path, **settings)
    with pytest.raises(SettingsError, match="is a file"):
        write_dataset(next(tmp_path.rglob("*.jpg")), **settings)
    assert _digests(tmp_path) == kept
