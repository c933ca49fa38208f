"""No field is ever in two splits, the shares are right in tiles, and the official split is kept where there is one."""

import collections

import hypothesis
import pytest
from hypothesis import strategies
from tile_listing import fake_tile, listed, listing, release_files, tile_name, with_splits, write_files

from components.agrivision import PAPER_2020
from components.contracts import SourceFile
from components.errors import DataError
from components.ingest.official_split import MOST_BYTES, is_split_file, read_split_file, stated_splits
from components.ingest.pairing import ReleasePairing


def fields(sizes: dict[str, int], split: str = "") -> list:
    return [fake_tile(field_id, number, split) for field_id, size in sizes.items() for number in range(size)]


def split_of_fields(tiles) -> dict[str, str]:
    """Returns the split by field, and fails if a field has two."""
    splits = collections.defaultdict(set)
    for tile in tiles:
        splits[tile.field_id].add(tile.split)
    assert all(len(names) == 1 for names in splits.values())
    return {field_id: names.pop() for field_id, names in splits.items()}


def counts(tiles) -> tuple[int, int, int]:
    by_split = collections.Counter(tile.split for tile in tiles)
    assert sum(by_split.values()) == by_split["train"] + by_split["val"] + by_split["test"]
    return by_split["train"], by_split["val"], by_split["test"]


@hypothesis.given(
    sizes=strategies.lists(strategies.integers(1, 30), min_size=3, max_size=40),
    seed=strategies.integers(0, 5),
    val=strategies.integers(1, 60),
    test=strategies.integers(1, 39),
)
@hypothesis.settings(max_examples=60, deadline=None)
def test_by_field_every_split_has_tiles_and_its_share_to_within_a_field(sizes, seed, val, test):
    tiles = fields({f"F{number}": size for number, size in enumerate(sizes)})
    assigned, origin = with_splits(tiles, seed, val, test)
    assert [tile.tile_id for tile in assigned] == [tile.tile_id for tile in tiles]
    split_of_fields(assigned)
    num_train, num_val, num_test = counts(assigned)
    assert min(num_train, num_val, num_test) >= 1
    assert abs(num_test - len(tiles) * test / 100) <= max(sizes)
    # A run of fields may come short by a field at its end, and by one that train must have.
    assert abs(num_val - len(tiles) * val / 100) <= 2 * max(sizes)
    assert origin == "by field"


def test_the_split_by_field_follows_from_seed_and_names_alone():
    tiles = fields({f"F{number}": 1 + number % 7 for number in range(60)})
    first, _ = with_splits(tiles, 1, 20, 20)
    again, _ = with_splits(tiles[::-1], 1, 20, 20)
    other, _ = with_splits(tiles, 2, 20, 20)
    assert split_of_fields(first) == split_of_fields(again)
    assert split_of_fields(first) != split_of_fields(other)


def test_few_fields_change_their_split_when_fields_are_added():
    sizes = {f"F{number}": 5 for number in range(100)}
    before = split_of_fields(with_splits(fields(sizes), 0, 20, 20)[0])
    sizes |= {f"G{number}": 5 for number in range(10)}
    after = split_of_fields(with_splits(fields(sizes), 0, 20, 20)[0])
    assert sum(before[field_id] != after[field_id] for field_id in before) <= 10


@pytest.mark.parametrize("num_fields", [1, 2])
def test_too_few_fields_are_told_with_their_number(num_fields):
    tiles = fields({f"F{number}": 10 for number in range(num_fields)})
    message = f"{10 * num_fields} labelled tiles of {num_fields} fields .* into test, val, train; expected at least 3"
    with pytest.raises(DataError, match=message):
        with_splits(tiles, 0, 20, 20)


@pytest.mark.parametrize(
    ("official", "expected", "origin"),
    [
        ({"train": 60, "val": 20, "test": 20}, (60, 20, 20), "official"),
        # No labelled test: val measures, and a share of train is held out in its place.
        ({"train": 60, "val": 20}, (48, 12, 20), "official train and val; val is used as test, and val is taken"),
        ({"train": 60, "test": 20}, (48, 12, 20), "official train and test; val is taken from train by field"),
        ({"train": 60}, (36, 12, 12), "by field, of the official train"),
    ],
)
def test_the_official_split_is_kept_as_far_as_it_goes(official, expected, origin):
    tiles = [
        tile
        for split, count in official.items()
        for tile in fields({f"{split}{i}": 2 for i in range(count // 2)}, split)
    ]
    assigned, came_about = with_splits(tiles, 3, 20, 20)
    assert counts(assigned) == expected
    assert came_about.startswith(origin)
    for field_id, split in split_of_fields(assigned).items():
        assert split != "train" or field_id.startswith("train")


def test_a_field_in_two_official_splits_is_refused():
    tiles = [*fields({"A": 2, "B": 1}, "train"), *fields({"B": 2}, "val"), *fields({"C": 2}, "test")]
    with pytest.raises(
        DataError, match=r"1 of 3 fields under '/source' have tiles in two splits, e.g. B in train and val;"
    ):
        with_splits(tiles, 0, 20, 20)


def test_a_source_without_train_is_refused():
    with pytest.raises(DataError, match="are all in test and val; expected train tiles"):
        with_splits([*fields({"A": 2}, "val"), *fields({"B": 2}, "test")], 0, 20, 20)


@pytest.mark.parametrize(
    "content",
    [
        {"train": ["A", "B"], "val": ["C_0-0-512-512"]},
        {
            "train": {"field_bounds/A.png": {}, "B.jpg": {"label_counts": {"water": 2}}},
            "val": {"x/C_0-0-512-512.png": {}},
        },
        {"A": "train", "B": "Train", "C_0-0-512-512": "validation"},
        {"A": {"split": "train"}, "B.png": {"split": "train", "label_counts": {}}, "C_0-0-512-512": {"split": "val"}},
        {"train": ["A", "B"], "val": ["C_0-0-512-512"], "test": [], "created": "2019-01-01"},
    ],
)
def test_the_official_split_is_read_from_the_forms_that_are_about(content):
    assert dict(stated_splits(content)) == {"A": "train", "B": "train", "C_0-0-512-512": "val"}


def test_split_files_that_contradict_each_other_are_refused():
    name = tile_name("A", 0)
    paths = release_files(PAPER_2020, "data2017_miniscale", [name])
    for said in ("A", name):
        with listed(paths) as found:
            found.state_splits([("B", "train"), (said, "train")], "data2017_splits.json")
            found.state_splits([(said, "train"), (said, "test")], "data2018_splits.json")
            pairing = ReleasePairing(found.folders, PAPER_2020, found.has_splits, "/source")
            with pytest.raises(DataError, match=rf"'{said}' is in both train and test .* 'data2018_splits.json'"):
                [tile for group in found.groups() for tile in pairing.pair(group)]


def test_a_damaged_split_file_is_one_line(tmp_path):
    source_uri = write_files(tmp_path, ["y/field_stats.json"])
    with pytest.raises(DataError, match=r"'y/field_stats.json' under '.*' is not JSON"):
        read_split_file(source_uri, listing(["y/field_stats.json"])[0])
    with pytest.raises(
        DataError, match=r"'y/field_stats.json' under '.*' has 268,435,457 bytes, .*; rename or remove it"
    ):
        read_split_file(source_uri, SourceFile("y/field_stats.json", MOST_BYTES + 1, "1"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [("data2017_splits.json", True), ("y/field_stats.json", True), ("splits.json", True), ("y/stats.json", False)],
)
def test_split_files_are_known_by_name(path, expected):
    assert is_split_file(path) is expected
