"""What look-alike tiles show: each class has its signature in RGB and in NIR, and windows show enough of it."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from components.agrivision import PAPER_2020
from components.synth.crop import new_scene
from components.synth.dataset import write_dataset
from components.synth.field import Field, draw_field
from components.synth.patterns import PATTERNS
from components.synth.plan import FieldPlan, plan_fields
from components.synth.scene import Scene
from components.synth.shapes import BoolArray, FloatArray
from components.synth.windows import MIN_CLASS_SHARE, choose_windows

_SEEDS = range(6)


def _one_pattern(name: str, seed: int) -> Field:
    plan = FieldPlan(index=0, field_id="F", split="train", year=2017, demands=((name, 1),))
    return draw_field(plan, np.random.default_rng(seed), 128)


def _inside_and_outside(name: str, seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean red, green, blue, NIR of the pattern and of the healthy crop of the same field, each [4]."""
    field = _one_pattern(name, seed)
    label = field.labels[0][1]
    crop = field.boundary & field.mask & ~label
    return field.bands[:, label].mean(axis=1), field.bands[:, crop].mean(axis=1)


def _ndvi(bands: npt.NDArray[np.float64]) -> float:
    return float((bands[3] - bands[0]) / (bands[3] + bands[0]))


@pytest.mark.parametrize(
    ("name", "nir_ratio", "red_ratio", "ndvi_change"),
    [
        # Relative to the healthy crop of the same field: (least, most).
        ("water", (0.05, 0.45), (0.4, 1.0), (-1.0, -0.2)),  # almost black in NIR
        ("standing_water", (0.05, 0.45), (0.4, 1.0), (-1.0, -0.2)),
        ("weed_cluster", (1.15, 2.0), (0.5, 1.0), (0.1, 0.6)),  # brightest in NIR
        ("double_plant", (1.05, 1.6), (0.5, 0.97), (0.05, 0.5)),  # a denser canopy
        ("planter_skip", (0.5, 0.9), (1.0, 1.6), (-0.5, -0.1)),  # bare soil
        ("drydown", (0.6, 0.98), (1.15, 2.2), (-0.6, -0.15)),  # straw
        ("nutrient_deficiency", (0.7, 0.99), (1.03, 1.7), (-0.4, -0.04)),  # yellow-green
        ("waterway", (1.02, 1.7), (0.7, 1.4), (0.0, 0.5)),  # grass
        ("cloud_shadow", (0.4, 0.75), (0.4, 0.75), (-0.05, 0.05)),  # all bands darker alike
        ("endrow", (0.85, 1.15), (0.85, 1.15), (-0.12, 0.12)),  # only the rows' direction differs
    ],
)
def test_each_class_has_its_signature(
    name: str, nir_ratio: tuple[float, float], red_ratio: tuple[float, float], ndvi_change: tuple[float, float]
) -> None:
    for seed in _SEEDS:
        inside, crop = _inside_and_outside(name, seed)
        assert nir_ratio[0] < inside[3] / crop[3] < nir_ratio[1], seed
        assert red_ratio[0] < inside[0] / crop[0] < red_ratio[1], seed
        assert ndvi_change[0] < _ndvi(inside) - _ndvi(crop) < ndvi_change[1], seed


def _row_strength(scene: Scene, region: BoolArray, coordinate: FloatArray, row_px: float) -> float:
    """How strongly NIR repeats every `row_px` pixels of `coordinate` within the region."""
    wave = np.exp(2j * np.pi * coordinate[region] / row_px)
    nir = scene.bands[3][region]
    return float(abs(((nir - nir.mean()) * wave).mean()))


@pytest.mark.parametrize("seed", _SEEDS)
def test_rows_turn_at_the_headland(seed: int) -> None:
    scene = new_scene(np.random.default_rng(seed), 128)
    headland = PATTERNS["endrow"](scene, (0.0, 0.5 * scene.half_v))
    across, along = (_row_strength(scene, headland, axis, scene.row_px) for axis in (scene.u, scene.v))
    assert along > 3 * across
    elsewhere = scene.boundary & ~headland
    across, along = (_row_strength(scene, elsewhere, axis, scene.row_px) for axis in (scene.u, scene.v))
    assert across > 3 * along


@pytest.mark.parametrize("seed", _SEEDS)
def test_double_plant_has_rows_between_the_rows_and_storms_leave_none(seed: int) -> None:
    for name, keeps_single, has_double in (("double_plant", False, True), ("storm_damage", False, False)):
        scene = new_scene(np.random.default_rng(seed), 128)
        label = PATTERNS[name](scene, (0.0, 0.0))
        healthy = scene.boundary & ~label
        single = _row_strength(scene, healthy, scene.u, scene.row_px)
        double = _row_strength(scene, healthy, scene.u, scene.row_px / 2)
        assert (_row_strength(scene, label, scene.u, scene.row_px) > 0.5 * single) == keeps_single
        assert (_row_strength(scene, label, scene.u, scene.row_px / 2) > 2 * double) == has_double


@pytest.mark.parametrize("name", sorted(PATTERNS.keys() - {"endrow", "waterway"}))
def test_a_pattern_is_not_cut_off_by_the_box_that_it_is_drawn_in(name: str) -> None:
    for seed in range(10):
        scene = new_scene(np.random.default_rng(seed), 64)
        label = PATTERNS[name](scene, (0.0, 0.0))
        rows, columns = np.flatnonzero(label.any(axis=1)), np.flatnonzero(label.any(axis=0))
        longest_edge = max(label[rows[[0, -1]]].sum(axis=1).max(), label[:, columns[[0, -1]]].sum(axis=0).max())
        assert longest_edge < 0.4 * 64, seed  # a cut leaves a long edge along the raster's axes


def test_labels_and_data_keep_to_the_boundary_and_the_mask() -> None:
    num_cut = 0
    for seed in range(12):
        field = _one_pattern("drydown", seed)
        assert not (field.labels[0][1] & ~(field.boundary & field.mask)).any()
        assert (field.bands[:, ~field.mask] == 0).all()
        assert field.bands[:, field.mask].min() > 0
        assert 0.4 < field.boundary.mean() < 0.95
        num_cut += not field.mask.all()
    assert 2 <= num_cut <= 9  # some flights miss a corner


def test_windows_show_a_class_well_or_not_at_all() -> None:
    shares: list[float] = []
    num_classes: list[int] = []
    for plan in plan_fields(PAPER_2020, 200, seed=4, imbalance="mild"):
        rng = np.random.default_rng(plan.index)
        field = draw_field(plan, rng, 64)
        windows = choose_windows(plan, field, rng, 64, 0.15)
        assert len(set(windows)) == plan.num_tiles
        for window in windows:
            box = (slice(window.top, window.top + 64), slice(window.left, window.left + 64))
            num_valid = (field.boundary & field.mask)[box].sum()
            assert num_valid > 0.3 * 64 * 64
            present = {name: label[box].sum() / num_valid for name, label in field.labels if label[box].any()}
            shares += present.values()
            num_classes.append(len(present))
    assert min(num_classes) == 1
    assert 0.10 < np.mean(np.array(num_classes) > 1) < 0.28
    assert np.mean(np.array(shares) < MIN_CLASS_SHARE) < 0.01


def test_tiles_look_as_large_and_as_bright_as_the_real_ones(tmp_path: Path) -> None:
    summary = write_dataset(tmp_path / "tiles", layout=PAPER_2020, num_tiles=5, seed=0, num_processes=1)
    for band, least_kb, most_kb in (("rgb", 95, 125), ("nir", 62, 88)):
        sizes = [path.stat().st_size / 1000 for path in tmp_path.glob(f"tiles/*/field_images/{band}/*.jpg")]
        assert len(sizes) == 5
        assert least_kb < np.mean(sizes) < most_kb
    assert 180_000 < summary.num_bytes / 5 < 240_000  # 215 kB in the dataset
