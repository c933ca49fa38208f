"""Plans of look-alike datasets: splits by field, class balance, names."""

import collections

import pytest

from components.agrivision import CLASS_FOLDERS, LAYOUTS, PAPER_2020, SPLITS, parse_tile_id
from components.synth.plan import (
    BACKGROUND,
    CHALLENGE_LAYOUTS,
    IMBALANCES,
    LAYOUT_CLASSES,
    FieldPlan,
    _allocate,
    plan_fields,
)


def _tiles_per_class(plans: list[FieldPlan], split: str) -> collections.Counter[str]:
    counts: collections.Counter[str] = collections.Counter()
    for plan in plans:
        if plan.split == split:
            counts.update(dict(plan.demands))
    return counts


@pytest.mark.parametrize(
    ("weights", "total", "expected"),
    [
        ({"a": 6.0, "b": 2.0, "c": 2.0}, 10, [6, 2, 2]),
        ({"a": 6.0, "b": 2.0, "c": 2.0}, 11, [7, 2, 2]),
        ({"a": 6.0, "b": 2.0, "c": 2.0}, 3, [1, 1, 1]),  # each gets one as soon as there are enough
        ({"a": 6.0, "b": 2.0, "c": 2.0}, 2, [1, 1, 0]),
        ({"a": 6.0, "b": 2.0, "c": 2.0}, 1, [1, 0, 0]),
        ({"a": 55.0, "b": 1.0}, 56, [55, 1]),
        ({"a": 55.0, "b": 1.0}, 20, [19, 1]),
    ],
)
def test_tiles_are_shared_out_by_largest_remainder(weights: dict[str, float], total: int, expected: list[int]) -> None:
    assert list(_allocate(weights, total).values()) == expected


@pytest.mark.parametrize("imbalance", IMBALANCES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("num_tiles", [1, 2, 3, 17, 600])
def test_a_plan_has_as_many_tiles_as_asked_for(layout: str, num_tiles: int, imbalance: str) -> None:
    plans = plan_fields(layout, num_tiles, seed=0, imbalance=imbalance)
    assert sum(plan.num_tiles for plan in plans) == num_tiles
    assert [plan.index for plan in plans] == list(range(len(plans)))
    assert all(1 <= len(plan.demands) <= 3 and plan.num_tiles >= 1 for plan in plans)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_600_tiles_have_every_class_in_every_split(layout: str) -> None:
    plans = plan_fields(layout, 600, seed=3, imbalance="mild")
    for split, num_tiles in zip(SPLITS, (360, 120, 120), strict=True):
        counts = _tiles_per_class(plans, split)
        assert sum(counts.values()) == num_tiles
        assert min(counts[name] for name in LAYOUT_CLASSES[layout]) >= 8, (split, counts)
    assert len({plan.field_id for plan in plans}) == len(plans)  # so no field is in two splits


def test_real_imbalance_is_55_to_1() -> None:
    plans = plan_fields(PAPER_2020, 20_000, seed=0, imbalance="real")
    counts = sum((_tiles_per_class(plans, split) for split in SPLITS), collections.Counter())
    assert counts["drydown"] / counts["storm_damage"] == pytest.approx(22_484 / 411, rel=0.02)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_challenge_releases_have_background(layout: str) -> None:
    plans = plan_fields(layout, 200, seed=0, imbalance="mild")
    share = sum(dict(plan.demands).get(BACKGROUND, 0) for plan in plans) / 200
    assert share == (pytest.approx(0.2, abs=0.02) if layout in CHALLENGE_LAYOUTS else 0.0)


def test_a_field_of_class_folders_has_one_pattern() -> None:
    assert all(len(plan.demands) == 1 for plan in plan_fields(CLASS_FOLDERS, 200, seed=0, imbalance="mild"))


def test_field_ids_are_like_the_real_ones() -> None:
    for plan in plan_fields(PAPER_2020, 100, seed=0, imbalance="mild"):
        assert len(plan.field_id) == len("1AD76MIZN")
        assert parse_tile_id(f"{plan.field_id}_659-8394-1171-8906").field_id == plan.field_id
