"""Taking stock needs no memory that grows with the tiles, and its outcome follows from the files alone."""

import json
import random
import sqlite3
import tracemalloc
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies
from tile_listing import listing, pair, release_files, tile_name

from components.agrivision import CHALLENGE_2020, CLASS_FOLDERS, PAPER_2020
from components.dataset.temporary_database import temporary_database
from components.errors import DataError, SettingsError
from components.ingest import listing as listing_
from components.ingest.inventory import inventory_of
from components.ingest.settings import IngestSettings
from components.progress import StepLog

SETTINGS = IngestSettings(num_partitions=3, num_workers=5, max_bad_fraction=0.5)


def outcome(paths: list[str], folder: Path, settings: IngestSettings = SETTINGS, cache_kb: int = 65_536):
    """Returns the inventory and the bytes of its partition files."""
    inventory = inventory_of(listing(paths), "/source", str(folder), settings, StepLog("ingest"), cache_kb)
    return inventory, [(folder / partition.path).read_bytes() for partition in inventory.partitions]


def mixed_paths() -> dict[str, list[str]]:
    """Sources with duplicates, gaps and files of no use, by layout."""
    names = [tile_name(field, number) for field in ("A", "AB", "A-B", "A0", "b", "Ab") for number in range(12)]
    challenge = [
        *release_files(CHALLENGE_2020, "train", names),
        *release_files(CHALLENGE_2020, "val", [names[3], *(tile_name("V", number) for number in range(20))]),
        f"train/images/rgb/{names[5]}.png",
        f"train/images/rgb/{tile_name('X', 0)}.jpg",
        "train/readme.txt",
    ]
    paper = [path for year in (2017, 2018) for path in release_files(PAPER_2020, f"data{year}_miniscale", names)]
    folders = [f"{name}/{number}.jpg" for name in ("rust", "soil") for number in range(60)]
    folders += [f"rust/{number}.jpg.png" for number in range(7)] + [f"soil/{number}.png" for number in range(50, 70)]
    folders += [f"{'soil' if number % 3 else 'rust'}/{name}.jpg" for number, name in enumerate(names)]
    return {CHALLENGE_2020: challenge, PAPER_2020: paper, CLASS_FOLDERS: [*folders, "x.jpg", "rust/A_odd.jpg"]}


@pytest.mark.parametrize("layout", [CHALLENGE_2020, PAPER_2020, CLASS_FOLDERS])
@hypothesis.given(seed=strategies.integers(0, 10**6), cache_kb=strategies.sampled_from([1, 64, 65_536]))
@hypothesis.settings(max_examples=8, deadline=None)
def test_any_order_of_listing_and_any_cache_give_the_same_bytes(tmp_path_factory, layout, seed, cache_kb):
    paths = mixed_paths()[layout]
    expected = outcome(paths, tmp_path_factory.mktemp("as listed"))
    shuffled = random.Random(seed).sample(paths, len(paths))
    assert outcome(shuffled, tmp_path_factory.mktemp("shuffled"), cache_kb=cache_kb) == expected
    assert expected[0].layout == layout
    assert expected[0].num_tiles == sum(map(len, (content.splitlines() for content in expected[1])))


def test_a_source_that_does_not_fit_the_cache_gives_the_same_bytes(tmp_path):
    paths = release_files(PAPER_2020, "data2017_miniscale", [tile_name(f"F{n // 28}", n % 28) for n in range(3_000)])
    assert outcome(paths, tmp_path / "small", cache_kb=16) == outcome(paths, tmp_path / "large")


def _release(num_tiles: int) -> list[str]:
    return release_files(PAPER_2020, "data2017_miniscale", [tile_name(f"F{n // 28}", n % 28) for n in range(num_tiles)])


def _images(num_tiles: int) -> list[str]:
    return [f"{'abc'[number % 3]}/{number}.jpg" for number in range(num_tiles)]


@pytest.mark.parametrize("paths_of", [_release, _images])
def test_no_python_object_is_kept_for_a_tile_or_a_file(tmp_path, paths_of):
    peaks = []
    for num_tiles in (2_200, 4_400):
        files = listing(paths_of(num_tiles))
        tracemalloc.start()
        inventory_of(files, "/source", str(tmp_path), SETTINGS, StepLog("ingest"))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 2_200 < 16  # bytes; the least object has as many


def test_fields_whose_names_begin_alike_are_kept_apart():
    fields = {"A": "train", "AB": "val", "A-B": "test", "A0": "val", "a": "test", "Ab": "train"}
    paths = release_files(PAPER_2020, "data2017_miniscale", [tile_name(name, n) for name in fields for n in range(3)])
    pairing = pair(paths, PAPER_2020, {**fields, tile_name("AB", 1): "test"})
    assert {tile.tile_id: tile.split for tile in pairing.tiles} == {
        tile_name(name, number): split for name, split in fields.items() for number in range(3)
    } | {tile_name("AB", 1): "test"}


def test_images_between_the_tiles_of_a_field_are_fields_of_their_own(tmp_path):
    paths = [f"a/{tile_name('A', number)}.jpg" for number in range(4)] + [f"b/{tile_name('A', 9)}.jpg"]
    paths += ["a/A_3.jpg", "b/A_odd.jpg", "b/A_odd.png", "b/z.jpg", "a/B.jpg"]
    assert outcome(paths, tmp_path, IngestSettings(num_workers=2))[0].num_fields == 1 + 4


def test_statistics_are_of_the_last_file_that_has_them(tmp_path):
    names = [tile_name(f"F{number}", 0) for number in range(9)]
    for year, count in ((2017, 1), (2018, 2)):
        stats = {name: {"label_counts": {"drydown": count}} for name in names[: 9 // count]}
        (tmp_path / f"data{year}_field_stats.json").write_text(json.dumps(stats))
    paths = release_files(PAPER_2020, "data2017_miniscale", names)
    paths += [f"data{year}_field_stats.json" for year in (2018, 2017)]
    inventory = inventory_of(
        listing(paths), str(tmp_path), str(tmp_path / "out"), IngestSettings(num_workers=2), StepLog("ingest")
    )
    lines = [
        json.loads(line)
        for partition in inventory.partitions
        for line in (tmp_path / "out" / partition.path).read_bytes().splitlines()
    ]
    stated = {line["tile_id"]: line["annotated"]["drydown"][0] for line in lines}
    assert stated == {name: 2 if index < 4 else 1 for index, name in enumerate(names)}


def fill_database() -> None:
    with temporary_database(cache_kb=64) as database:
        database.execute("PRAGMA max_page_count = 20")
        database.execute("CREATE TABLE files (path TEXT)")
        database.executemany("INSERT INTO files VALUES (?)", (("x" * 1_000,) for _ in range(10_000)))


def test_a_full_temporary_disk_is_one_line():
    with pytest.raises(SettingsError, match=r"on the temporary disk: .* full; .* set TMPDIR to a folder") as error:
        fill_database()
    assert "\n" not in str(error.value)


def test_a_mistake_in_a_query_is_no_full_disk():
    with pytest.raises(sqlite3.OperationalError, match="no such table"), temporary_database() as database:
        database.execute("SELECT path FROM nowhere")


def test_more_folders_than_any_layout_has_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(listing_, "MOST_FOLDERS", 100)
    with pytest.raises(DataError, match=r"more than 100 folders under '/source', e.g. 'c100'; source_uri must be"):
        outcome([f"c{number}/1.jpg" for number in range(200)], tmp_path)
