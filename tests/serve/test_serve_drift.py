"""What a server has answered: added up exactly, shown, and written whole, once, and not at all twice."""

import asyncio
import datetime
import time

import msgspec
import numpy as np
import pytest
from serving import NAME, post, served

from components import storage
from components.contracts import ServedWindow
from components.errors import DataError, SettingsError
from components.predict.checked import checks_of, opened_contents
from components.registry import CARD, version_uri
from components.registry.layout import read_card
from components.serve.drift.tally import Tally, share_on_test
from components.serve.drift.windows import Windows
from components.serve.settings import ServeSettings

START = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)


@pytest.fixture(scope="session")
def card(models):
    return read_card(str(models.uri), models.first)


def histograms_of(tiles, card):
    found = []
    for tile in tiles:
        files = {"rgb": tile.rgb, "nir": tile.nir, **({"mask": tile.valid_mask} if tile.valid_mask else {})}
        found.append(opened_contents(files, checks_of(card.bands)).band_histogram())
    return found


def expected_window(models, card, tiles, results):
    """The sums by another way: all tiles at once, with NumPy's own histogram."""
    bins = np.linspace(0, 1, 51, dtype=np.float64)
    probabilities = results["probabilities"].astype(np.float64)
    return {
        "num_tiles": len(tiles),
        "band_histogram": tuple(map(tuple, sum(histograms_of(tiles, card)).tolist())),
        "predicted_tiles": tuple(results["predicted"].sum(axis=0).tolist()),
        "probability_histogram": tuple(
            tuple(np.histogram(probabilities[:, c], bins)[0].tolist()) for c in range(len(card.classes))
        ),
    }


def part(results, rows):
    return {name: values[rows] for name, values in results.items()}


def test_windows_of_several_servers_add_up_to_what_was_answered(models, card):
    results = models.expected[models.first]
    tallies = [Tally(card, name, START) for name in ("a", "b")]
    for number in range(0, 24, 3):
        rows = slice(number, number + 3)
        tallies[number % 2].add(histograms_of(models.tiles[rows], card), part(results, rows))
    both = Tally(card, "c", START)
    for each in tallies:
        both.add_tally(each)

    window = both.window(START)

    expected = expected_window(models, card, models.tiles, results)
    assert {name: getattr(window, name) for name in expected} == expected
    assert window.num_requests == 8
    assert ServedWindow.checked(window.to_json(), "x") == window
    assert len(window.to_json()) < 64_000


def test_tiles_whose_bands_were_not_counted_count_as_tiles_alone(models, card):
    tally, other = Tally(card, "a", START), Tally(card, "b", START)
    counted = histograms_of(models.tiles[:1], card)
    tally.add([*counted, None, None], part(models.expected[models.first], slice(3)))
    other.add([None], part(models.expected[models.first], slice(3, 4)))
    tally.add_tally(other)

    window = ServedWindow.checked(tally.window(START).to_json(), "x")

    assert (window.num_tiles, window.num_counted, window.num_requests) == (4, 1, 2)
    assert window.band_histogram == tuple(map(tuple, counted[0].tolist()))
    assert msgspec.structs.replace(window, counted_tiles=msgspec.UNSET).num_counted == 4  # as it was before


def test_a_probability_of_one_is_in_the_last_bin(models, card):
    tally = Tally(card, "a", START)
    ones = np.ones((1, 3), np.float32)
    tally.add(histograms_of(models.tiles[:1], card), {"probabilities": ones, "predicted": ones.astype(bool)})

    assert all(row[-1] == 1 for row in tally.window(START).probability_histogram)


def test_the_share_on_test_follows_from_precision_recall_and_support(card):
    scores = card.scores.per_class[card.classes[0]]
    changed = msgspec.structs.replace(scores, precision=0.8, recall=0.5, support=8)
    never = msgspec.structs.replace(scores, precision=0.0, recall=0.0, support=8)
    per_class = {card.classes[0]: changed, card.classes[1]: never}
    other = msgspec.structs.replace(
        card, num_test_tiles=20, scores=msgspec.structs.replace(card.scores, per_class=per_class)
    )

    assert share_on_test(other) == (0.25, None, None)  # 4 rightly, of 5, among 20


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"num_tiles": 2}, "each row of probability_histogram must add up to 2"),
        ({"valid_pixels": 1}, "each row of band_histogram must add up to 1"),
        ({"band_histogram": ((1, 2),)}, "band_histogram must have 4 rows of 256 counts"),
        ({"predicted_tiles": (1,)}, "predicted_tiles must have 3 values"),
        ({"predicted_tiles": (9, 9, 9)}, "counts more than its 1 tiles"),
        ({"num_requests": 9}, "counts more than its 1 tiles"),
        ({"counted_tiles": 2}, "counts more than its 1 tiles"),
        ({"until": "2025-01-31T12:00:00Z"}, "before it begins"),
        ({"predicted_tiles": (-1, 0, 0)}, "not a served window that this version can read"),
        ({"version": "../x"}, "the name of one file or folder"),
        ({"test_share": (2.0, None, None)}, "not a served window that this version can read"),
    ],
)
def test_a_window_whose_sums_contradict_each_other_is_refused(models, card, changes, text):
    tally = Tally(card, "a", START)
    tally.add(histograms_of(models.tiles[:1], card), part(models.expected[models.first], slice(1)))
    changed = msgspec.structs.replace(tally.window(START), **changes)

    with pytest.raises(DataError, match=text):
        ServedWindow.checked(changed.to_json(), "there/w.json")


class Clock:
    def __init__(self):
        self.moment = START

    def __call__(self):
        return self.moment

    def forward(self, seconds):
        self.moment += datetime.timedelta(seconds=seconds)


def windows_in(folder):
    return [ServedWindow.checked(path.read_bytes(), str(path)) for path in sorted(folder.rglob("*.json"))]


def test_a_window_that_cannot_be_written_grows_until_it_can_and_counts_once(models, card, tmp_path, monkeypatch):
    results, clock, said, write = models.expected[models.first], Clock(), [], storage.write_bytes
    windows = Windows(said.append, str(tmp_path), now=clock)

    def answer(number):
        rows = slice(number, number + 1)
        windows.add(card, histograms_of(models.tiles[rows], card), part(results, rows))

    def fail_after_writing(uri, content):
        write(uri, content)
        raise OSError(5, "lost its answer")

    answer(0)
    monkeypatch.setattr(storage, "write_bytes", fail_after_writing)
    for _ in range(2):
        clock.forward(10)
        asyncio.run(windows.write())
    monkeypatch.setattr(storage, "write_bytes", write)
    answer(1)
    clock.forward(10)
    asyncio.run(windows.write())
    clock.forward(10)
    asyncio.run(windows.write())  # nothing new
    answer(2)
    clock.forward(10)
    asyncio.run(windows.write())

    found = windows_in(tmp_path)
    assert [each.num_tiles for each in found] == [2, 1]
    assert [(each.since[-3:-1], each.until[-3:-1]) for each in found] == [("00", "30"), ("30", "50")]
    assert windows.window(card).num_tiles == 3
    assert len(said) == 1
    assert f"the sums of {models.first} are kept and written later" in said[0]


def test_many_versions_take_bounded_memory(models, card):
    said = []
    windows = Windows(said.append, "somewhere")
    results = part(models.expected[models.first], slice(1))
    histograms = histograms_of(models.tiles[:1], card)
    for number in range(20):
        windows.add(msgspec.structs.replace(card, version=f"v{number}"), histograms, results)

    assert len(windows._sums) == 8
    assert len(said) == 12


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"expect_sha256": "ABC"}, "expect_sha256 must be 64 hexadecimal digits in lower case"),
        ({"drift_to": "ftp://x/y"}, "cannot read or write 'ftp://x/y'"),
        ({"drift_seconds": 0.5}, "drift_seconds"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, text):
    with pytest.raises(SettingsError, match=text):
        ServeSettings(**changes)


@pytest.mark.long
def test_a_server_shows_its_sums_and_leaves_them_behind(models, card, tmp_path):
    folder = version_uri(str(models.uri), models.first)
    options = ["--drift-to", str(tmp_path / "drift"), "--drift-seconds", "1", "--expect-sha256", card.sha256]
    with served(folder, *options) as running, running.client() as client:
        assert post(client, models.tiles[:4]).status_code == 200
        assert client.post(f"/v2/models/{NAME}/infer", json={}).status_code == 400  # counts nowhere
        for path in (f"/v2/models/{NAME}/drift", f"/v2/models/{NAME}/versions/{models.first}/drift"):
            shown = ServedWindow.checked(client.get(path).content, path)
            assert (shown.num_requests, shown.num_tiles) == (1, 4)
        assert client.get("/v2/models/other/drift").status_code == 404
        deadline = time.monotonic() + 20
        while not windows_in(tmp_path):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert post(client, models.tiles[4:5]).status_code == 200
        assert running.end() == 0

    found = windows_in(tmp_path / "drift" / models.first)
    expected = expected_window(models, card, models.tiles[:5], part(models.expected[models.first], slice(5)))
    assert sum(each.num_tiles for each in found) == 5
    added = np.sum([each.band_histogram for each in found], axis=0)
    assert added.tolist() == [list(row) for row in expected["band_histogram"]]
    assert len({each.instance for each in found}) == 1


@pytest.mark.slow
def test_a_version_of_another_digest_is_not_served(models):
    folder = version_uri(str(models.uri), models.first)
    with served(folder, "--expect-sha256", "0" * 64, is_ready=False) as running:
        line = running.wait_for_line("agrivision: ")

        assert running.process.wait(60) == 42
    assert f"the {CARD} of version {models.first} has sha256 " in line
    assert "it is not the version that was meant" in line
