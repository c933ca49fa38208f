"""`agrivision collect` where Kubeflow has lost what it knew, or a server, a bucket or a record fails it."""

import msgspec
import pytest
from collected import PLACES, ROOT, collect, record
from command_here import agrivision_here
from kubeflow_past import KEY, add_run, past_run
from test_run_record_file import EARLY

from components.contracts import RecordedOutcome, RecordedState
from components.run_records.record_file import keep_record, record_uri
from pipeline.run_records import ended

pytestmark = pytest.mark.usefixtures("bucket")


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


def test_a_record_that_submit_cannot_write_fails_no_run(server, bucket):
    server.frames = [past_run("run-1", "pushed") | {"run_id": "run-1"}]
    bucket.is_away = True

    done = agrivision_here("submit", f"--host={server.url}", *PLACES)

    assert done.returncode == 0
    assert "run run-1 has no record yet: no answer about" in done.stderr
