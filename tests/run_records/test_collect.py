"""`agrivision collect` against a server that speaks Kubeflow Pipelines' API: which record a run gets, and when."""

import json

import msgspec
import pytest
from collected import PLACES, ROOT, collect, record
from command_here import agrivision_here
from kubeflow_past import KEY, add_run, past_run
from kubeflow_server import WORKFLOW, frame, task
from made_receipts import OF_TWO_WORKERS
from test_run_record_file import EARLY

from components.contracts import RecordedOutcome, RecordedState
from components.run_records.record_file import keep_record
from pipeline.kubeflow.package import make_package
from pipeline.run_records import ended

pytestmark = pytest.mark.usefixtures("bucket")


@pytest.mark.parametrize(
    ("ending", "state", "outcome"),
    [
        ("pushed", RecordedState.SUCCEEDED, RecordedOutcome.PUSHED),
        ("refused", RecordedState.SUCCEEDED, RecordedOutcome.REFUSED),
        ("failed", RecordedState.FAILED, RecordedOutcome.FAILED),
        ("terminated", RecordedState.TERMINATED, RecordedOutcome.TERMINATED),  # which Kubeflow calls failed
    ],
)
def test_a_run_that_has_ended_gets_its_record(server, ending, state, outcome):
    add_run(server, past_run("run-a", ending, name=f"agrivision-training v7 {ending}"))

    done = collect(server)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "wrote 1 records; 0 were complete before\n"
    found = record("run-a")
    assert (found.state, found.outcome, found.is_complete) == (state, outcome, True)
    assert found.links["run"] == f"{server.url}/#/runs/details/run-a"
    assert found.started < found.ended


def test_the_record_has_decision_times_images_and_what_the_receipt_says(server, bucket):
    package = make_package(volume=False, version="v7")
    spec, platform = package.documents
    server.versions["v7"] = {
        "pipeline_version_id": "version v7",
        "display_name": "0123456789ab-01234567",
        "pipeline_spec": {"pipeline_spec": spec, "platform_spec": platform},
    }
    add_run(server, past_run("run-a", "pushed", name=f"agrivision-training v7 retrain-{KEY}-1"))
    bucket.write(f"{ROOT}/training/t1/receipt.json", OF_TWO_WORKERS.to_json())

    assert collect(server).returncode == 0

    found = record("run-a")
    assert found.gate.difference == (0.05, 0.01, 0.09)
    assert (found.macro_f1, found.macro_f1_interval) == (0.75, (0.7, 0.8))
    assert (found.reason, found.trigger_key) == ("better than v0", KEY)
    assert (found.pipeline_version, found.commit) == ("0123456789ab-01234567", "0123456789ab")
    assert (found.training_id, found.manifest_sha256) == ("t1", "f" * 64)
    assert found.links["data report"] == f"{ROOT}/datasets/{'f' * 16}/report.html"
    train = found.steps["train"]
    # Two pods of 30 s each, and two workers for 20 s.
    assert (train.seconds, train.pod_seconds, train.worker_pod_seconds) == (30.0, 60.0, 40.0)
    assert found.steps["merge"].pod_seconds == 30.0
    assert found.steps["evaluate"].pod_seconds is None
    assert {step.image for step in found.steps.values()} == {"localhost/agrivision-python:dev"}


def test_a_training_that_was_found_again_cost_no_workers(server, bucket):
    add_run(server, past_run("run-a", "pushed"))
    bucket.write(f"{ROOT}/training/t1/receipt.json", msgspec.structs.replace(OF_TWO_WORKERS, seconds=9_000.0).to_json())

    collect(server)

    assert record("run-a").steps["train"].worker_pod_seconds == 0


def test_collecting_again_changes_no_byte_and_asks_little(server, bucket):
    for number in range(3):
        add_run(server, past_run(f"run-{number}a", "pushed"), 100 + 10 * number)
    collect(server)
    before, num_writes = dict(bucket.objects), bucket.num_writes
    server.requests.clear()

    done = collect(server)

    assert done.stdout == "wrote 0 records; 3 were complete before\n"
    assert (bucket.objects, bucket.num_writes) == (before, num_writes)
    assert [path for _, path in server.requests if "/runs/" in path] == []  # the list is enough


def test_what_the_last_step_left_is_completed(server):
    keep_record(ROOT, msgspec.structs.replace(EARLY, run_id="run-a"))
    add_run(server, past_run("run-a", "pushed"), gate=None)

    done = collect(server)

    assert done.returncode == 0
    found = record("run-a")
    assert found.is_complete
    assert (found.gate, found.model_version) == (EARLY.gate, "v1")
    assert found.links["model"] == "gs://b/models/versions/v1/README.md"
    assert found.steps["train"].pod_seconds == 60.0


def test_runs_that_go_on_are_named_and_get_none(server, bucket):
    add_run(server, past_run("run-a", "RUNNING"))
    add_run(server, past_run("run-b", None))

    done = collect(server)

    assert done.returncode == 0
    assert done.stdout.splitlines()[1:] == ["still going: run-a (running)", "still going: run-b (pending)"]
    assert bucket.objects == {}


@pytest.mark.long
def test_all_pages_are_read_up_to_the_given_age(server):
    for number in range(130):
        add_run(server, past_run(f"r{number}", "failed", days_ago=0.1 * number), number)

    done = collect(server, "--since-days=11.05", "--json")

    assert "wrote 111 records" in done.stderr
    assert [path for _, path in server.requests].count("/apis/v2beta1/runs") == 3
    newest = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["run_id"] for each in newest] == [f"r{number}" for number in range(20)]


def test_one_run_is_collected_however_old_it_is(server):
    add_run(server, past_run("run-a", "failed", days_ago=400))

    assert collect(server).stdout.startswith("wrote 0 records")
    assert collect(server, "--run=run-a").stdout.startswith("wrote 1 records")


@pytest.mark.parametrize(
    ("run", "code", "message"),
    [
        (past_run("run-a", "RUNNING"), 75, "still going: run-a (running)"),
        (past_run("run-b", "failed"), 2, "knows no run 'run-a'; see http"),
    ],
)
def test_a_single_run_must_be_there_and_have_ended(server, run, code, message):
    add_run(server, run)

    done = collect(server, "--run=run-a")

    assert done.returncode == code
    assert message in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--since-days=0"], "--since-days must be above 0"),
        ([], "no Kubeflow Pipelines to ask; give --host"),
        (["--run=a", "--data-root=x"], "no Kubeflow Pipelines to ask"),
    ],
)
def test_bad_settings_are_refused(monkeypatch, options, message):
    monkeypatch.delenv("KFP_ENDPOINT", raising=False)

    done = agrivision_here("collect", *options)

    assert done.returncode == 2
    assert message in done.stderr


def test_the_trigger_of_a_run_learns_of_its_end_each_time_it_is_collected(server, monkeypatch):
    told = []
    monkeypatch.setattr(ended, "end_trigger", lambda *all_of_it: told.append(all_of_it))
    add_run(server, past_run("run-a", "pushed", name=f"agrivision-training v7 retrain-{KEY}-1"))
    add_run(server, past_run("run-b", "pushed"), 200)

    collect(server)
    collect(server)

    # Whoever writes it down may have been interrupted the first time.
    assert told == [(ROOT, KEY, "run-a", "pushed", record("run-a").ended)] * 2


def test_what_submit_has_followed_is_recorded_at_once(server, bucket):
    server.frames = [
        frame("RUNNING", task("train", "RUNNING", 20)),
        past_run("run-1", "pushed") | {"run_id": "run-1"},
    ]
    server.logs[f"{WORKFLOW}-system-container-impl-7"] = "gate | done in 0.1 s: push: better\n"

    done = agrivision_here("submit", f"--host={server.url}", *PLACES)

    assert done.returncode == 0, done.stderr
    assert record("run-1").outcome is RecordedOutcome.PUSHED
