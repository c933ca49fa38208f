"""The record of a run on this machine, however it ended."""

import datetime
import json

import pytest
from command_here import agrivision_here

from components.contracts import RecordedOutcome, RecordedState
from components.run_records.record_file import read_record, recorded_runs
from components.synth.dataset import write_dataset
from pipeline.local.watch import EXIT_INTERRUPTED, LocalRun, RunFailed
from pipeline.run_records.local_record import local_record, record_local_run

BEGAN = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
TINY = {"epochs": 1, "image_size_px": 32, "global_batch_size": 16}


def run_of(tmp_path, **changes):
    ending = {"started": BEGAN, "ended": BEGAN + datetime.timedelta(seconds=90)}
    return LocalRun(tmp_path / "runs/20261124-120000-7", **ending, **changes)


@pytest.mark.parametrize(
    ("error", "state", "outcome"),
    [
        (RunFailed("train failed: the loss is NaN", 42), RecordedState.FAILED, RecordedOutcome.FAILED),
        (RunFailed("stopped", EXIT_INTERRUPTED), RecordedState.TERMINATED, RecordedOutcome.TERMINATED),
        (None, RecordedState.TERMINATED, RecordedOutcome.TERMINATED),
    ],
)
def test_a_run_that_ended_early_says_how_and_which_steps_it_did(tmp_path, error, state, outcome):
    run = run_of(tmp_path, step_seconds={"ingest": 1.5, "train": 9.0}, failed_step="train", error=error)

    record = local_record(run)

    assert (record.state, record.outcome, record.is_complete) == (state, outcome, True)
    assert record.reason == str(error or "the run was ended from outside")
    assert {name: (step.state, step.seconds) for name, step in record.steps.items()} == {
        "ingest": ("succeeded", 1.5),
        "train": ("failed", 9.0),
    }
    assert (record.started, record.ended) == ("2026-11-24T12:00:00Z", "2026-11-24T12:01:30Z")
    assert record.links == {"run": str(run.run_dir)}


def test_two_runs_in_folders_of_the_same_name_have_two_records(tmp_path):
    for _ in range(2):
        record_local_run(str(tmp_path), run_of(tmp_path), None, pytest.fail)

    names = sorted(recorded_runs(str(tmp_path)))
    assert len(names) == 2
    assert all(name.startswith("20261124-120000-7-") for name in names)


def test_a_record_that_cannot_be_written_is_a_warning(tmp_path):
    (tmp_path / "data").write_text("a file where the folder must be")
    warned = []

    record_local_run(str(tmp_path / "data"), run_of(tmp_path), None, warned.append)

    assert len(warned) == 1
    assert warned[0].startswith("the run has no record: ")


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source") / "tiles"
    write_dataset(folder, layout="paper-2020", num_tiles=90, tile_size_px=64, seed=1, num_processes=1)
    return folder


def run_here(tiles, place, **settings):
    options = {
        "source-uri": tiles,
        "data-root": place / "data",
        "models-uri": place / "models",
        "runs-dir": place / "runs",
        "train-config": json.dumps(TINY),
        "gate-min-macro-f1": 0.0,
        **settings,
    }
    return agrivision_here("run", *(f"--{name}={value}" for name, value in options.items()))


@pytest.mark.long
def test_a_run_here_leaves_its_record_with_all_that_summary_says(tiles, tmp_path):
    done = run_here(tiles, tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    data_root = str(tmp_path / "data")
    (run_id,) = recorded_runs(data_root)
    record = read_record(data_root, run_id)
    summary = json.loads((tmp_path / "runs/latest/summary.json").read_text())
    assert run_id.startswith((tmp_path / "runs/latest").resolve().name)
    assert (record.outcome, record.is_complete) == (RecordedOutcome.PUSHED, True)
    assert (record.macro_f1, record.manifest_sha256) == (summary["metrics"]["macro_f1"], summary["manifest_sha256"])
    assert (record.model_version, record.training_id) == (summary["model_version"], summary["gate"]["training_id"])
    assert {name: step.seconds for name, step in record.steps.items()} == summary["step_seconds"]
    assert record.links["decision report"] == summary["reports"]["decision"]


@pytest.mark.slow
def test_a_run_here_that_fails_leaves_its_record_too(tiles, tmp_path):
    done = run_here(tiles, tmp_path, **{"ingest-classes": "nowhere"})

    assert done.returncode in (2, 42)
    data_root = str(tmp_path / "data")
    (run_id,) = recorded_runs(data_root)
    record = read_record(data_root, run_id)
    assert (record.state, record.outcome) == (RecordedState.FAILED, RecordedOutcome.FAILED)
    assert [step.state for step in record.steps.values()][-1] == "failed"
    assert record.reason in done.stderr
