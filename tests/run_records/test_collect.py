"""`agrivision collect` against a server that speaks Kubeflow Pipelines' API, and fails when it is told to."""

import json

import msgspec
import pytest
from command_here import agrivision_here
from kubeflow_past import KEY, add_run, past_run
from kubeflow_server import WORKFLOW, frame, task
from test_run_record_file import EARLY

from components.contracts import RecordedOutcome, RecordedState, RunRecord, TrainingReceipt
from components.run_records.record_file import keep_record, read_record, record_uri
from pipeline.kubeflow.package import make_package
from pipeline.run_records import ended

ROOT = "gs://b/data"
RECEIPT = TrainingReceipt(
    training_id="t1",
    manifest_sha256="f" * 64,
    model_path="training/t1/export",
    classes=("drydown",),
    bands=("red",),
    label_mode="multi_label",
    backbone="small",
    image_size_px=64,
    num_parameters=12,
    num_workers=2,
    num_restarts=0,
    config={},
    best_epoch=0,
    history=(),
    seconds=20.0,
)
pytestmark = pytest.mark.usefixtures("bucket")


def collect(server, *options):
    return agrivision_here("collect", f"--host={server.url}", *options)


def record(run_id, root=ROOT):
    return read_record(root, run_id)


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
    bucket.write(f"{ROOT}/training/t1/receipt.json", RECEIPT.to_json())

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
    bucket.write(f"{ROOT}/training/t1/receipt.json", msgspec.structs.replace(RECEIPT, seconds=9_000.0).to_json())

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


def test_all_pages_are_read_up_to_the_given_age(server):
    for number in range(130):
        add_run(server, past_run(f"r{number}", "failed", days_ago=0.1 * number), number)

    done = collect(server, "--since-days=11.05", "--json")

    assert "wrote 111 records" in done.stderr
    assert [path for _, path in server.requests].count("/apis/v2beta1/runs") == 3
    newest = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["run_id"] for each in newest] == [f"r{number}" for number in range(20)]


def test_runs_of_other_pipelines_and_places_are_left_alone(server, bucket):
    other = {"pipeline_version_reference": {"pipeline_id": "other", "pipeline_version_id": "1"}}
    add_run(server, past_run("run-a", "pushed", **other))
    add_run(server, past_run("run-b", "pushed", pipeline_version_reference=None))
    add_run(server, past_run("run-c", "pushed", data_root="gs://b/elsewhere"))

    done = collect(server, f"--data-root={ROOT}/")

    assert done.stdout == "wrote 0 records; 0 were complete before, 1 have another data_root\n"
    assert bucket.objects == {}


def test_a_run_that_kubeflow_has_lost_is_recorded_from_the_list(server):
    add_run(server, past_run("run-a", "failed"))
    add_run(server, past_run("run-b", "pushed", days_ago=0.5), 200)
    server.lost, server.workflows = {"run-a", "run-b"}, {}

    assert collect(server).returncode == 0
    assert (record("run-a").state, record("run-a").steps, record("run-a").is_complete) == (
        RecordedState.FAILED,
        {},
        True,
    )
    assert (record("run-b").outcome, record("run-b").is_complete) == (RecordedOutcome.UNKNOWN, False)
    # A day later nothing more can come.
    server.past[1] |= {"finished_at": "2026-01-01T00:00:00Z"}
    assert collect(server).returncode == 0
    assert record("run-b").is_complete
    assert collect(server).stdout == "wrote 0 records; 2 were complete before\n"


def test_a_server_that_shows_no_pods_is_waited_for_no_longer(server):
    add_run(server, past_run("run-a", "failed"))
    server.workflows = {}

    assert collect(server).returncode == 0

    assert (record("run-a").is_complete, record("run-a").steps["train"].pod_seconds) == (True, None)


def test_a_server_that_falls_silent_before_the_pods_are_told_is_asked_again_later(server):
    add_run(server, past_run("run-a", "failed"))
    server.faults = {"/apis/v1beta1/runs/run-a": [503]}

    done = collect(server)

    assert done.returncode == 75
    assert "run run-a has no record yet: 503 on request" in done.stderr
    assert collect(server).returncode == 0
    assert record("run-a").steps["train"].pod_seconds == 60.0


def test_a_server_that_has_lost_everything_has_no_runs(server):
    server.pipelines = []

    assert collect(server).stdout == "wrote 0 records; 0 were complete before\n"


def test_a_run_whose_last_tasks_are_not_told_yet_is_completed_later(server):
    run = past_run("run-a", "pushed", days_ago=0.001)
    whole = run["run_details"]
    add_run(server, run | {"run_details": {"task_details": whole["task_details"][:5]}})

    collect(server)
    assert (record("run-a").outcome, record("run-a").is_complete) == (RecordedOutcome.UNKNOWN, False)
    server.past[0]["run_details"] = whole
    collect(server)

    assert (record("run-a").outcome, record("run-a").is_complete) == (RecordedOutcome.PUSHED, True)


def test_a_damaged_record_is_named_and_the_others_are_written(server, bucket):
    add_run(server, past_run("run-a", "pushed"))
    add_run(server, past_run("run-b", "pushed"), 200)
    bucket.write(record_uri(ROOT, "run-a"), b"{}")

    done = collect(server)

    assert done.returncode == 42
    assert done.stderr.startswith("run run-a has no record yet: gs://b/data/runs/run-a.json ")
    assert record("run-b").is_complete


def test_a_bucket_that_is_away_is_tried_again_later(server, bucket):
    add_run(server, past_run("run-a", "pushed"))
    bucket.is_away = True

    done = collect(server)

    assert done.returncode == 75
    assert done.stderr == "run run-a has no record yet: no answer about 'gs://b/data/runs/run-a.json'\n"


@pytest.mark.parametrize(
    ("data_root", "message"),
    [
        ("/mnt/agrivision/data", "is a folder on the cluster; give --data-root, the same folder on this machine"),
        ("/etc", "is a folder on the cluster; give --data-root"),
        ("", "has no parameter data_root"),
        (7, "has no parameter data_root"),
        ("ftp://x/y", "cannot read or write 'ftp://x/y'"),
    ],
)
def test_no_run_can_choose_a_folder_of_this_machine(server, data_root, message):
    add_run(server, past_run("run-a", "pushed", data_root=data_root))

    done = collect(server)

    assert done.returncode == 2
    assert message in done.stderr


def test_a_run_on_a_volume_is_recorded_where_the_user_has_the_volume(server, tmp_path):
    add_run(server, past_run("run-a", "pushed", data_root="/mnt/agrivision/data"))
    add_run(server, past_run("run-b", "pushed"), 200)  # in a bucket, and not asked for

    assert collect(server, f"--data-root={tmp_path}").returncode == 0

    assert record("run-a", str(tmp_path)).is_complete
    assert [path.name for path in (tmp_path / "runs").iterdir() if path.suffix == ".json"] == ["run-a.json"]


def test_a_hostile_id_leads_nowhere(server, bucket):
    add_run(server, past_run("..%2F..%2Fup", "failed"))
    add_run(server, past_run("../../up", "failed"))

    collect(server)

    assert all(uri.startswith(f"{ROOT}/runs/") and uri.count("/") == 5 for uri in bucket.objects)


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


def test_what_the_last_step_of_a_lost_run_left_is_completed_where_the_user_says(server, monkeypatch):
    told = []
    monkeypatch.setattr(ended, "end_trigger", lambda *all_of_it: told.append(all_of_it))
    keep_record(ROOT, msgspec.structs.replace(EARLY, run_id="run-a", trigger_key=KEY))

    unknown = collect(server, "--run=run-a")
    assert unknown.returncode == 2
    assert "or give --data-root, where the run may have left a record" in unknown.stderr
    done = collect(server, "--run=run-a", f"--data-root={ROOT}")

    assert (done.returncode, done.stdout) == (0, "wrote 1 records; 0 were complete before\n")
    assert (record("run-a").is_complete, record("run-a").gate) == (True, EARLY.gate)
    assert told == [(ROOT, KEY, "run-a", "pushed", EARLY.ended)]


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


def test_a_folder_of_records_is_told_of_without_kubeflow(tmp_path, monkeypatch):
    monkeypatch.delenv("KFP_ENDPOINT", raising=False)
    for number in range(25):
        ending = f"2099-01-01T00:00:{number:02}Z"
        keep_record(str(tmp_path), msgspec.structs.replace(EARLY, run_id=f"r{number}", ended=ending, is_complete=True))
    keep_record(str(tmp_path), msgspec.structs.replace(EARLY, run_id="old", ended="2001-01-01T00:00:00Z"))

    done = agrivision_here("collect", f"--data-root={tmp_path}", "--json")

    assert done.returncode == 0
    assert [json.loads(line)["run_id"] for line in done.stdout.splitlines()] == [f"r{n}" for n in range(24, 4, -1)]


def test_reports_are_copied_from_the_runs_own_place_alone(server, bucket, tmp_path):
    secret = {"data report": "gs://other/secret", "model": "gs://other/secret"}
    bucket.write("gs://other/secret", b"not yours")
    bucket.write(f"{ROOT}/datasets/{'a' * 16}/report.html", b"<html>")
    keep_record(ROOT, msgspec.structs.replace(EARLY, run_id="run-a", is_complete=True, links=secret))
    add_run(server, past_run("run-a", "pushed"))

    assert collect(server, f"--reports={tmp_path}").returncode == 0

    files = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert files["run-a/data-report.html"] == b"<html>"
    assert RunRecord.from_json(files["run-a/record.json"], "record").run_id == "run-a"
    assert len(files) == 2


def test_what_submit_has_followed_is_recorded_at_once(server, bucket):
    server.frames = [
        frame("RUNNING", task("train", "RUNNING", 20)),
        past_run("run-1", "pushed") | {"run_id": "run-1"},
    ]
    server.logs[f"{WORKFLOW}-system-container-impl-7"] = "gate | done in 0.1 s: push: better\n"
    places = ("--source-uri=gs://b/tiles", f"--data-root={ROOT}", "--models-uri=gs://b/models")

    done = agrivision_here("submit", f"--host={server.url}", *places)

    assert done.returncode == 0, done.stderr
    assert record("run-1").outcome is RecordedOutcome.PUSHED


def test_a_record_that_submit_cannot_write_fails_no_run(server, bucket):
    server.frames = [past_run("run-1", "pushed") | {"run_id": "run-1"}]
    bucket.is_away = True
    places = ("--source-uri=gs://b/tiles", f"--data-root={ROOT}", "--models-uri=gs://b/models")

    done = agrivision_here("submit", f"--host={server.url}", *places)

    assert done.returncode == 0
    assert "run run-1 has no record yet: no answer about" in done.stderr
