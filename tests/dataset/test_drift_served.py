"""What was served against the dataset: a verdict that something can act on, and none where there is too little."""

import datetime
import json
import re

import msgspec
import numpy as np
import pytest
from test_shard_drift import dataset, write
from typer.testing import CliRunner

from components.contracts import ServedWindow
from components.dataset.drift.served_compare import compare_served
from components.dataset.drift.served_sums import added_up, read_served
from components.errors import DataError, SettingsError
from pipeline.cli import app

REFERENCE = dataset(seed=0)  # 60 fields of ten tiles
CLASSES = ("drydown", "weed_cluster")


NOTHING = ((0,) * 256,) * 2


def window(num_tiles=400, weeds=0.2, drydown=0.7, seed=1, like=None, **changes):
    """A window of tiles as those of test_shard_drift; a fifth of the model's test tiles were given weed_cluster."""
    like = like or dataset(seed=seed)
    histograms = [like.histogram(name) for name in ("red", "nir")]
    scale = num_tiles / 600
    bands = [np.floor(np.array(each) * scale).astype(int) for each in histograms]
    bands[1][100] += bands[0].sum() - bands[1].sum()
    predicted = [round(drydown * num_tiles), round(weeds * num_tiles)]
    values = {
        "version": "3f2a9c0d1e4b",
        "instance": "a" * 16,
        "since": "2026-01-31T12:00:00Z",
        "until": "2026-01-31T13:00:00Z",
        "manifest_sha256": REFERENCE.manifest.sha256,
        "classes": CLASSES,
        "bands": ("red", "nir"),
        "num_requests": num_tiles // 2,
        "num_tiles": num_tiles,
        "valid_pixels": int(bands[0].sum()),
        "band_histogram": tuple(tuple(each.tolist()) for each in bands),
        "predicted_tiles": tuple(predicted),
        "probability_histogram": tuple((num_tiles - number, *[0] * 48, number) for number in predicted),
        "test_share": (0.7, 0.2),
        "num_test_tiles": 200,
        **changes,
    }
    return ServedWindow(**values)


@pytest.mark.parametrize(
    ("changes", "outcome", "reason"),
    [
        ({}, "keep", "neither bands nor answers have shifted"),
        ({"weeds": 0.25}, "keep", "neither bands nor answers have shifted"),
        ({"weeds": 0.5}, "retrain", "answers weed_cluster 20 % → 50 %"),
        ({"weeds": 0.0}, "retrain", "answers weed_cluster 20 % → 0 %"),
        ({"like": dataset(seed=1, nir=120)}, "retrain", r"served nir mean \+0.07"),
        ({"like": dataset(seed=1, contrast=45)}, "retrain", "served nir deviation 0.12 → 0.17"),
        ({"like": dataset(seed=1, two_peaks=True)}, "retrain", "served nir histogram 0.59 apart"),
        ({"like": dataset(seed=1, nir=120), "counted_tiles": 300}, "retrain", r"nir mean .*; the bands of 300 of the "),
        ({"like": dataset(seed=1, nir=120), "counted_tiles": 99}, "keep", "the bands of 99 of the 400 tiles were cou"),
        ({"like": dataset(seed=1, two_peaks=True), "counted_tiles": 99}, "keep", "neither bands nor answers have shif"),
        ({"counted_tiles": 99, "weeds": 0.5}, "retrain", "answers weed_cluster 20 % → 50 %"),
        ({"counted_tiles": 0, "valid_pixels": 0, "band_histogram": NOTHING}, "keep", "the bands of 0 of the 400 tiles"),
        ({"num_tiles": 99, "weeds": 1.0}, "undecided", "too few to tell: 99 tiles were served and .* need 100 tiles"),
        ({"test_share": (0.7, None), "weeds": 0.9}, "keep", "how often the model gave weed_cluster on test is unknown"),
        ({"manifest_sha256": "0" * 64}, "keep", "trained on another dataset, 0000000000000000"),
    ],
)  # fmt: skip
def test_the_verdict_follows_from_what_was_served(changes, outcome, reason):
    found = compare_served(added_up([window(**changes)]), REFERENCE)

    assert found.to_do == outcome
    assert re.search(reason, found.reason)


def test_what_is_undecided_marks_no_shift():
    served = added_up([window(num_tiles=90, weeds=1.0, like=dataset(seed=1, two_peaks=True))])

    found = compare_served(served, REFERENCE)

    assert not any(each.is_shift for each in (*found.classes, *found.bands))


def test_tiles_of_few_fields_prove_little():
    # The same tiles, of a dataset whose fields are all weeds or none: ten such fields may be half weeds by chance.
    alike = dataset(seed=0, alike=True)
    served = added_up([window(num_tiles=100, weeds=0.5, manifest_sha256=alike.manifest.sha256)])

    assert compare_served(served, alike).to_do == "keep"
    assert compare_served(served, REFERENCE).to_do == "retrain"


def test_a_model_does_not_shift_against_its_own_population():
    outcomes = [compare_served(added_up([window(seed=seed)]), REFERENCE).to_do for seed in range(1, 41)]

    assert outcomes.count("retrain") <= 1


def test_a_dataset_of_other_bands_is_refused():
    served = added_up([window(bands=("a", "b"))])

    with pytest.raises(DataError, match="no band of model 3f2a9c0d1e4b is in the dataset: a, b there, red, nir here"):
        compare_served(served, REFERENCE)


def leave(folder, *windows):
    for number, each in enumerate(windows):
        path = folder / each.version / f"{number}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(each.to_json())


def test_windows_of_replicas_add_up_and_other_versions_are_left_out(tmp_path):
    late = {"since": "2026-01-31T13:00:00Z", "until": "2026-01-31T14:00:00Z"}
    first, second = window(100), window(200, weeds=0.3, instance="b", **late)
    other = window(50, version="other", until="2026-01-31T12:30:00Z")
    leave(tmp_path, first, second, other)
    (tmp_path / "notes.txt").write_text("not a window")

    served = read_served(str(tmp_path))

    assert (served.num_tiles, served.num_windows, served.num_others) == (300, 2, 1)
    assert served.predicted_tiles.tolist() == [210, 80]
    assert (served.band_histogram == np.array(first.band_histogram) + second.band_histogram).all()
    assert (served.since, served.last.until) == ("2026-01-31T12:00:00Z", "2026-01-31T14:00:00Z")
    assert read_served(str(tmp_path), "other").num_tiles == 50
    now = datetime.datetime(2026, 1, 31, 14, 30, tzinfo=datetime.UTC)
    assert read_served(str(tmp_path), hours=1, now=now).num_tiles == 200


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"version": "none"}, "no folder|no such|nothing|none"),
        ({"hours": 0.001}, "no window that ended within the last 0.001 hours"),
        ({"version": "../x"}, "not a path below"),
    ],
)
def test_what_is_not_there_is_named(tmp_path, options, text):
    leave(tmp_path, window())

    with pytest.raises((DataError, SettingsError), match=text):
        read_served(str(tmp_path), **options)


def test_windows_that_contradict_each_other_are_refused(tmp_path):
    leave(tmp_path, window(), window(bands=("red", "blue"), instance="b"))

    with pytest.raises(DataError, match="differ in bands, so one of them is not what a server wrote"):
        read_served(str(tmp_path))


def test_a_changed_window_is_refused(tmp_path):
    leave(tmp_path, window())
    path = tmp_path / "3f2a9c0d1e4b/0.json"
    path.write_bytes(path.read_bytes().replace(b'"num_tiles": 400', b'"num_tiles": 401'))

    with pytest.raises(DataError, match="its checksum does not match"):
        read_served(str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "code", "outcome"),
    [({}, 0, "keep"), ({"weeds": 0.5}, 3, "retrain"), ({"num_tiles": 10}, 4, "undecided")],
)
def test_the_command_ends_with_a_code_and_prints_what_a_trigger_reads(tmp_path, changes, code, outcome):
    leave(tmp_path / "drift", window(**changes))
    manifest = write(REFERENCE, tmp_path / "data")
    command = ["drift", manifest, "--served", str(tmp_path / "drift")]

    text = CliRunner().invoke(app, command)
    as_json = CliRunner().invoke(app, [*command, "--json"])

    assert (text.exit_code, as_json.exit_code) == (code, code)
    assert text.output.startswith(f"{outcome}: ")
    found = json.loads(as_json.output)
    assert found["outcome"] == outcome
    assert found["version"] == "3f2a9c0d1e4b"
    assert {each["name"] for each in found["bands"]} == {"red", "nir"}
    assert text.output.splitlines()[0] == f"{outcome}: {found['reason']}"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ([], "give either an earlier dataset or --served"),
        (["b", "--served", "c"], "give either an earlier dataset or --served"),
        (["b", "--json"], "go with --served"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, text):
    result = CliRunner().invoke(app, ["drift", "a", *options])

    assert text in str(result.exception)


def test_a_name_that_could_steer_a_terminal_is_refused():
    with pytest.raises(DataError, match="not a served window"):
        ServedWindow.checked(msgspec.structs.replace(window(), bands=("red\nnir", "x")).to_json(), "w")
