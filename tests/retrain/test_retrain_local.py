"""Runs on this machine: one at a time for a change, and over when their process is."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from changing_source import ChangingSource
from command_here import agrivision_here

from components.contracts import RunOutcome
from components.errors import DataError, SettingsError, UnreachableError
from components.progress import parse_line
from pipeline.display import Display
from pipeline.local.watch import EXIT_INTERRUPTED, RunFailed
from pipeline.retrain import following, local_runs
from pipeline.retrain.local_runs import LocalRuns
from pipeline.retrain.runs import RunState
from pipeline.retrain.triggers import read_trigger, run_name

KEY = "c" * 64
NAME = run_name("agrivision-training", KEY, 1)
ROOT = Path(__file__).parents[2]


def test_a_run_is_alive_for_as_long_as_its_process_has_the_lock(tmp_path):
    others = LocalRuns(str(tmp_path))
    assert others.find(NAME) == []

    with LocalRuns(str(tmp_path)) as ours:
        run_id = ours.create(NAME)
        (seen,) = others.find(NAME)
        assert (seen.run_id, seen.state) == (run_id, RunState.LIVE)
        assert (ours.owns(run_id), others.owns(run_id)) == (True, False)
        assert others.find(run_name("agrivision-training", KEY, 2)) == []

    (seen,) = others.find(NAME)
    assert (seen.run_id, seen.state) == (run_id, RunState.FAILED)
    assert others.ending(run_id).outcome is RunOutcome.FAILED


def test_of_two_processes_one_gets_to_run_a_change(tmp_path, monkeypatch):
    monkeypatch.setattr(local_runs, "_TRY_SECONDS", 0.1)
    with LocalRuns(str(tmp_path)) as ours:
        ours.create(NAME)

        with pytest.raises(UnreachableError, match="another process of this machine is about to run this change"):
            LocalRuns(str(tmp_path)).create(NAME)


def test_a_link_in_place_of_the_lock_empties_nothing(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "triggers").mkdir()
    (tmp_path / "triggers" / f".{KEY}.running").symlink_to(victim)

    with pytest.raises(OSError, match=r"symbolic links|Too many levels"):
        LocalRuns(str(tmp_path)).create(NAME)
    assert victim.read_text() == "precious"


def test_a_pipe_in_place_of_the_lock_is_named(tmp_path):
    (tmp_path / "triggers").mkdir()
    os.mkfifo(tmp_path / "triggers" / f".{KEY}.running")

    for use in (LocalRuns(str(tmp_path)).create, LocalRuns(str(tmp_path)).find):
        with pytest.raises(DataError, match=r"\.running' is a pipe or a device; expected a file"):
            use(NAME)


def test_a_bucket_has_no_such_lock():
    with pytest.raises(SettingsError, match="--local needs a data_root that is a folder of this machine"):
        LocalRuns("gs://b/data")


@pytest.fixture
def retrain(tmp_path):
    source = ChangingSource(tmp_path)
    places = [f"--source-uri={source.source}", f"--data-root={tmp_path}/data", f"--models-uri={tmp_path}/models"]

    def run(*options):
        return agrivision_here("retrain", "--local", *places, f"--runs-dir={tmp_path}/runs", *options)

    return run


@pytest.mark.parametrize(
    ("decision", "code", "outcome"), [("push", 0, RunOutcome.PUSHED), ("refuse", 3, RunOutcome.REFUSED)]
)
def test_the_command_ends_as_the_run_does_and_writes_it_down(decision, code, outcome, retrain, tmp_path, monkeypatch):
    ran = []

    def run_and_watch(parameters, runs_dir, console, at_end):
        ran.append(parameters)
        Display(console).show(parse_line("ingest | started"))
        return SimpleNamespace(decision=decision, reason="as it is")

    monkeypatch.setattr(following, "run_and_watch", run_and_watch)

    first, second = retrain("--json"), retrain("--json")

    said = json.loads(first.stdout)
    assert (first.returncode, said["decision"], said["outcome"]) == (code, "started", outcome.value)
    assert (second.returncode, json.loads(second.stdout)["decision"], len(ran)) == (0, "answered", 1)
    assert read_trigger(f"{tmp_path}/data", said["key"])[0].last.outcome is outcome


def test_a_step_that_fails_gives_its_exit_code_and_the_change_is_tried_again(retrain, monkeypatch):
    def run_and_watch(*_):
        raise RunFailed("merge failed: too many bad tiles", 42)

    monkeypatch.setattr(following, "run_and_watch", run_and_watch)
    failed = retrain()
    assert failed.returncode == 42
    assert "merge failed" in failed.stderr
    assert retrain().returncode == 75
    assert retrain("--retry-minutes=0").returncode == 42


def test_a_run_that_is_interrupted_goes_on_with_the_same_command_however_often(retrain, monkeypatch):
    endings = [*[RunFailed("stopped; run the same command again to resume", EXIT_INTERRUPTED)] * 5, None]

    def run_and_watch(*_):
        if ending := endings.pop(0):
            raise ending
        return SimpleNamespace(decision="push", reason="as it is")

    monkeypatch.setattr(following, "run_and_watch", run_and_watch)

    assert [retrain().returncode for _ in range(5)] == [EXIT_INTERRUPTED] * 5
    said = json.loads(retrain("--json").stdout)
    assert (said["decision"], said["attempt"], said["outcome"]) == ("started", 1, "pushed")


KILLED = """
import sys, time
from types import SimpleNamespace
from pipeline.retrain import following
following.run_and_watch = lambda *_: print("running", flush=True) or time.sleep(60)
from pipeline.cli import main
main()
"""


@pytest.mark.slow
def test_a_run_whose_process_was_killed_is_tried_again(retrain, tmp_path):
    places = [f"--source-uri={tmp_path}/tiles", f"--data-root={tmp_path}/data", f"--models-uri={tmp_path}/models"]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, "retrain", "--local", *places], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    while process.stdout.readline().strip() != "running":
        assert process.poll() is None
    assert json.loads(retrain("--json").stdout)["decision"] == "running"

    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    time.sleep(0.1)

    waiting = json.loads(retrain("--json").stdout)
    assert waiting["decision"] == "waits"
    assert "the process that ran it ended without a result" in waiting["why"][0]


@pytest.mark.long
@pytest.mark.slow
def test_a_changed_source_is_run_here_and_then_left_alone(tmp_path):
    made = agrivision_here("synth", tmp_path / "tiles", "--num-tiles=120", "--tile-size-px=64")
    assert made.returncode == 0
    places = [f"--source-uri={tmp_path}/tiles", f"--data-root={tmp_path}/data", f"--models-uri={tmp_path}/models"]
    settings = ['--train-config={"epochs": 1, "image_size_px": 32, "global_batch_size": 16}', "--train-num-workers=1"]

    def retrain(*options):
        return agrivision_here(
            "retrain", "--local", *places, *settings, "--gate-min-macro-f1=0", f"--runs-dir={tmp_path}/runs", *options
        )

    first = retrain()
    assert first.returncode == 0, first.stdout + first.stderr
    assert json.loads(retrain("--json").stdout)["decision"] == "answered"
    # Without its memory, the same is told from what production was trained on.
    for document in (tmp_path / "data" / "triggers").rglob("*.json"):
        document.unlink()
    assert json.loads(retrain("--json", "--dry-run").stdout)["decision"] == "unchanged"
    picture = next((tmp_path / "tiles").rglob("*.jpg"))
    os.utime(picture)
    changed = json.loads(retrain("--json", "--dry-run").stdout)
    assert (changed["decision"], changed["tiles"]["changed"]["examples"]) == ("would-start", [picture.stem])
