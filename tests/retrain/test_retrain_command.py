"""The command itself: its exit codes, what it says, and what it asks of a Kubeflow that is scripted."""

import json

import pytest
from changing_source import ChangingSource
from command_here import agrivision_here
from kubeflow_server import FAILED, PUSHED, REFUSED, TRAINING, ScriptedKubeflow

from components.contracts import RunOutcome
from components.errors import SettingsError
from pipeline.kubeflow import submit
from pipeline.kubeflow.client import Kubeflow
from pipeline.retrain import starting
from pipeline.retrain.kubeflow_runs import KubeflowRuns
from pipeline.retrain.triggers import attempt_of, read_trigger


@pytest.fixture
def server():
    with ScriptedKubeflow() as server:
        yield server


@pytest.fixture
def source(tmp_path) -> ChangingSource:
    return ChangingSource(tmp_path)


@pytest.fixture
def retrain(server, source, monkeypatch):
    """Runs the command on the source, with a volume in which the tiles and all that is made of them lie."""
    monkeypatch.setattr(submit, "VOLUME_PATH", str(source.root))
    for name in ("KFP_ENDPOINT", "KFP_EXISTING_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    places = [f"--source-uri={source.source}", f"--data-root={source.root}/data", f"--models-uri={source.root}/models"]

    def run(*options, host=server.url, volume=("--volume-claim=c",)):
        return agrivision_here("retrain", *places, *volume, *([f"--host={host}"] if host else []), *options)

    return run


def test_a_run_is_started_once_and_says_why(retrain, server, source):
    server.frames = [TRAINING]
    first, second = retrain(), retrain()

    assert (first.returncode, second.returncode, first.stderr) == (0, 0, "")
    assert len(server.runs) == 1
    lines = first.stdout.splitlines()
    assert lines[0] == f"source    {source.source}: 52 tiles, 292 files"
    assert lines[2].startswith("decision  started a run: no model is in production")
    assert lines[3] == f"run       {server.url}/#/runs/details/run-1"
    assert "nothing to start: a run of this change is under way" in second.stdout
    (made,) = server.runs
    key, number = attempt_of(made["display_name"])
    trigger, _ = read_trigger(f"{source.root}/data", key)
    assert (number, trigger.last.run_id) == (1, "run-1")
    # Else Kubeflow would take the listing of an earlier run from its cache.
    assert made["runtime_config"]["parameters"]["source_version"] == trigger.fingerprint[:16]


@pytest.mark.parametrize(
    ("frames", "options", "code", "decision"),
    [
        ([TRAINING], [], 0, "running"),
        ([PUSHED], [], 0, "answered"),
        ([REFUSED], [], 0, "answered"),
        ([FAILED], [], 75, "waits"),
        ([FAILED], ["--max-attempts=1"], 1, "given-up"),
        ([FAILED], ["--retry-minutes=0"], 0, "started"),
        ([FAILED], ["--retry-minutes=0", "--dry-run"], 0, "running"),  # a dry run asks nobody
    ],
)
def test_a_second_call_ends_as_the_run_of_the_first_does(frames, options, code, decision, retrain, server):
    assert retrain().returncode == 0
    server.frames = frames

    again = retrain(*options, "--json")

    (line,) = again.stdout.splitlines()
    assert (again.returncode, json.loads(line)["decision"], json.loads(line)["exit_code"]) == (code, decision, code)


@pytest.mark.parametrize(
    ("frames", "code", "outcome"),
    [([TRAINING, PUSHED], 0, "pushed"), ([REFUSED], 3, "refused"), ([TRAINING, FAILED], 1, "failed")],
)
def test_with_wait_the_command_ends_as_the_run_does(frames, code, outcome, retrain, server, source):
    server.frames = frames

    done = retrain("--wait", "--json")

    (line,) = done.stdout.splitlines()
    said = json.loads(line)
    assert (done.returncode, said["exit_code"], said["outcome"], said["decision"]) == (code, code, outcome, "started")
    trigger, _ = read_trigger(f"{source.root}/data", said["key"])
    assert trigger.last.outcome is RunOutcome(outcome)


def test_with_wait_the_last_line_says_how_the_run_ended(retrain, server):
    server.frames = [REFUSED]

    done = retrain("--wait")

    assert done.returncode == 3
    assert done.stdout.splitlines()[-1].startswith("refused: ")


def test_a_run_that_goes_on_at_the_timeout_is_not_ended(retrain, server, source):
    server.frames = [TRAINING]

    done = retrain("--wait", "--json", "--timeout-minutes=0.005")

    said = json.loads(done.stdout)
    assert (done.returncode, said["outcome"]) == (124, "timeout")
    assert read_trigger(f"{source.root}/data", said["key"])[0].last.outcome is None


def test_a_source_that_is_still_written_ends_with_75_and_asks_nobody(retrain, server):
    done = retrain("--settle-minutes=30")

    assert done.returncode == 75
    assert "waits for the source" in done.stdout
    assert "again     at 20" in done.stdout
    assert server.requests == []


def test_a_dry_run_needs_no_kubeflow_and_leaves_nothing(retrain, server, source):
    done = retrain("--dry-run", host="")

    assert done.returncode == 0
    assert "would start a run: no model is in production" in done.stdout
    assert source.written() == {}
    assert server.requests == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--min-new-tiles=0"], "min_new_tiles must be at least 1, got 0"),
        (["--max-age-days=-1"], "max_age_days must be between 0 and 36500, got -1"),
        (["--min-class-shift=1.5"], "min_class_shift must be between 0 and 1, got 1.5"),
        (["--settle-minutes=nan"], "settle_minutes must be between 0 and 10080, got nan"),
        (["--max-attempts=0"], "max_attempts must be between 1 and 100, got 0"),
        (["--retry-minutes=-1"], "retry_minutes must be between 0 and 1440, got -1"),
        (["--timeout-minutes=0"], "--timeout-minutes must be above 0, got 0"),
        (["--image=a b"], "--image must be"),
        (["--train-epochs=0"], "train_epochs must be at least 1"),
        (["--local", "--data-root=gs://b/data"], "--local needs a data_root that is a folder of this machine"),
    ],
)
def test_a_bad_setting_ends_with_2_before_anything_is_listed(options, message, retrain, server, source):
    done = retrain(*options)

    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert source.written() == {}
    assert server.requests == []


def test_without_a_place_to_run_the_command_says_so_at_once(retrain):
    done = retrain(host="")

    assert done.returncode == 2
    assert "no Kubeflow Pipelines to run on; give --host" in done.stderr


def test_a_kubeflow_that_does_not_answer_ends_with_75_and_nothing_is_claimed(retrain, source):
    done = retrain(host="http://127.0.0.1:9")

    assert done.returncode == 75
    assert "no Kubeflow Pipelines answers at 'http://127.0.0.1:9'" in done.stderr
    assert [path for path in source.written() if path.endswith(".json") and "/sources/" not in path] == []


def test_an_answered_change_needs_no_kubeflow(retrain, server):
    server.frames = [PUSHED]
    assert [retrain().returncode for _ in range(2)] == [0, 0]

    done = retrain(host="http://127.0.0.1:9")

    assert (done.returncode, done.stderr) == (0, "")
    assert "this change has had its run: run run-1 pushed a model of this change" in done.stdout


def test_a_folder_that_pods_do_not_share_is_refused(retrain):
    done = retrain(volume=())

    assert done.returncode == 2
    assert "which the steps of a run on a cluster do not share" in done.stderr


def test_a_source_that_is_not_fit_to_train_on_ends_with_42(retrain, server, source):
    for path in source.source.glob("train/images/nir/*"):
        path.unlink()

    done = retrain()

    assert done.returncode == 42
    assert "more than ingest_max_bad_fraction" in done.stderr
    assert server.runs == []


def test_served_drift_without_a_model_in_production_ends_with_42(retrain, server):
    done = retrain("--served=gs://b/drift")

    assert done.returncode == 42
    assert "--served compares with the dataset of production" in done.stderr
    assert server.runs == []


def test_a_start_that_is_not_answered_ends_with_75_and_the_next_call_does_not_start_another(
    retrain, server, monkeypatch
):
    monkeypatch.setattr(starting, "LOOK_SECONDS", 0.0)
    assert retrain("--min-new-tiles=1").returncode == 0  # uploads the pipeline
    server.runs.clear()
    server.frames = [FAILED]

    def lost(path):
        return "cut" if path.endswith("/runs") and server.requests[-1][0] == "POST" else None

    monkeypatch.setattr(server, "next_fault", lost)
    other = ("--train-epochs=3",)  # another change

    done, again = retrain(*other), retrain(*other)

    assert (done.returncode, again.returncode) == (75, 75)
    assert "it is not known whether the run" in done.stderr
    assert "is about to start a run of this change since" in again.stdout


def test_a_refused_start_ends_with_2_and_the_next_call_may_start(retrain, server, monkeypatch):
    faults = [400]

    def refused(path):
        return faults.pop() if faults and path.endswith("/runs") and server.requests[-1][0] == "POST" else None

    monkeypatch.setattr(server, "next_fault", refused)

    assert retrain().returncode == 2
    assert retrain().returncode == 0
    assert len(server.runs) == 1


@pytest.mark.parametrize("frame", [FAILED, PUSHED])
def test_a_run_that_has_ended_need_not_be_ended_again_though_kubeflow_refuses_to(server, frame):
    server.frames, server.faults = [frame], {"run-1:terminate": [400]}

    KubeflowRuns(lambda: Kubeflow(server.url), lambda *_: None).terminate("run-1")

    assert server.requests[-1][1].startswith("/apis/")


def test_a_run_that_goes_on_and_cannot_be_ended_is_told(server):
    server.frames, server.faults = [TRAINING], {"run-1:terminate": [400]}

    with pytest.raises(SettingsError, match="400"):
        KubeflowRuns(lambda: Kubeflow(server.url), lambda *_: None).terminate("run-1")
