"""Images that are fields of their own: every class and every split comes to its share, to within one image."""

import collections
from fractions import Fraction

import hypothesis
import pytest
from hypothesis import strategies
from tile_listing import listing, with_splits

from components.agrivision import SPLITS
from components.contracts import SourceTile
from components.ingest.quotas import quotas

SHARES = (Fraction(60, 100), Fraction(20, 100), Fraction(20, 100))


@hypothesis.given(
    num_images=strategies.dictionaries(strategies.sampled_from("abcdefgh"), strategies.integers(20, 500), min_size=1),
    percents=strategies.tuples(strategies.integers(10, 40), strategies.integers(10, 40)),
)
@hypothesis.settings(max_examples=200, deadline=None)
def test_classes_and_splits_come_to_their_shares(num_images, percents):
    shares = [Fraction(100 - sum(percents), 100), *(Fraction(percent, 100) for percent in percents)]
    found = quotas(num_images, {}, shares, [False] * 3)
    for name, counts in found.items():
        assert sum(counts) == num_images[name]
        assert min(counts) >= 1
        assert all(abs(count - share * num_images[name]) < 2 for count, share in zip(counts, shares, strict=True))
    for split, share in enumerate(shares):
        assert abs(sum(counts[split] for counts in found.values()) - share * sum(num_images.values())) <= 1


@hypothesis.given(
    num_images=strategies.dictionaries(strategies.sampled_from("abcdefgh"), strategies.integers(1, 8), min_size=1),
    has_fields=strategies.lists(strategies.booleans(), min_size=3, max_size=3),
)
@hypothesis.settings(max_examples=300, deadline=None)
def test_few_images_still_reach_every_split(num_images, has_fields):
    hypothesis.assume(sum(num_images.values()) + sum(has_fields) >= 3)
    found = quotas(num_images, {}, SHARES, has_fields)
    for name, counts in found.items():
        assert sum(counts) == num_images[name]
        assert min(counts) >= (1 if num_images[name] >= 3 and all(has_fields) else 0)
    for split in range(3):
        assert has_fields[split] or any(counts[split] for counts in found.values())


def test_images_make_good_what_larger_fields_have_too_many_of():
    # 100 tiles of the class in all; of train's 60, the larger fields have 10.
    assert quotas({"a": 70}, {"a": [10, 20, 0]}, SHARES, [True] * 3) == {"a": [50, 0, 20]}
    assert quotas({"a": 10}, {"a": [0, 90, 0]}, SHARES, [True] * 3)["a"] == [8, 0, 2]


def image(path: str, class_name: str, field_id: str = "") -> SourceTile:
    (file,) = listing([path])
    stem = path.rpartition(".")[0]
    return SourceTile(
        tile_id=stem.rpartition("/")[2], field_id=field_id or stem, split="", shard=0, rgb=file, classes=(class_name,)
    )


def images(counts: dict[str, int]) -> list[SourceTile]:
    return [image(f"{name}/{name}{number}.jpg", name) for name, count in counts.items() for number in range(count)]


@pytest.mark.parametrize("seed", range(3))
def test_the_split_of_class_folders_is_balanced_by_class(seed):
    tiles, origin = with_splits(images({"rare": 3, "few": 10, "many": 987}), seed)
    counts = collections.Counter((tile.classes[0], tile.split) for tile in tiles)
    assert [counts["rare", split] for split in SPLITS] == [1, 1, 1]
    assert [counts["few", split] for split in SPLITS] == pytest.approx([6, 2, 2], abs=1)
    by_split = collections.Counter(tile.split for tile in tiles)
    assert [by_split[split] for split in SPLITS] == pytest.approx([600, 200, 200], abs=1)
    assert origin == "by field, balanced by class"


def test_few_images_change_their_split_when_images_are_added():
    before = {tile.tile_id: tile.split for tile in with_splits(images({"a": 500, "b": 300}))[0]}
    after = {tile.tile_id: tile.split for tile in with_splits(images({"a": 550, "b": 300}))[0]}
    assert sum(before[name] != after[name] for name in before) <= 40
    other = {tile.tile_id: tile.split for tile in with_splits(images({"a": 500, "b": 300}), seed=1)[0]}
    assert sum(before[name] != other[name] for name in before) > 200


def test_fields_and_single_images_are_balanced_together():
    fields = [image(f"a/F{field}_{tile}.jpg", "a", f"F{field}") for field in range(10) for tile in range(10)]
    tiles, _ = with_splits([*fields, *images({"a": 100, "b": 100})])
    splits = collections.defaultdict(set)
    for tile in tiles:
        splits[tile.field_id].add(tile.split)
    assert all(len(names) == 1 for names in splits.values())
    counts = collections.Counter((tile.classes[0], tile.split) for tile in tiles)
    assert [counts["a", split] for split in SPLITS] == pytest.approx([120, 40, 40], abs=1)
    assert [counts["b", split] for split in SPLITS] == pytest.approx([60, 20, 20], abs=1)
