"""`agrivision submit` against a server that speaks Kubeflow Pipelines' API, and fails when it is told to."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import kubeflow_server
import pytest
import yaml
from kubeflow_server import (
    FAILED,
    PLACES,
    PUSHED,
    REFUSED,
    STARTING,
    TRAINING,
    WORKFLOW,
    node,
)

from pipeline.kubeflow import client as kubeflow
from pipeline.kubeflow import follow
from pipeline.kubeflow.package import DESCRIPTION

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("frames", "code", "outcome"),
    [
        ([STARTING, TRAINING, PUSHED], 0, "pushed"),
        ([STARTING, TRAINING, REFUSED], 3, "refused"),
        ([FAILED], 1, "failed"),
        ([kubeflow_server.frame("FAILED")], 1, "failed"),
        # The run ends a moment before its last tasks do.
        ([kubeflow_server.frame("SUCCEEDED", *PUSHED["run_details"]["task_details"][:5]), PUSHED], 0, "pushed"),
    ],
)
def test_the_exit_code_says_what_came_of_the_run(server, submit, frames, code, outcome):
    server.frames = frames

    exit_code, output, _ = submit("--json")

    assert exit_code == code
    last = json.loads(output.splitlines()[-1])
    assert (last["outcome"], last["exit_code"], last["run_id"]) == (outcome, code, "run-1")
    assert last["url"] == f"{server.url}/#/runs/details/run-1"
    assert not server.terminated


def test_waiting_ends_when_its_time_is_up_and_the_run_goes_on(server, submit):
    server.frames = [TRAINING]

    exit_code, output, errors = submit("--timeout-minutes=0.01", "--json")

    assert exit_code == 124
    assert "run run-1 is still RUNNING after 0.01 minutes, and continues" in errors
    assert json.loads(output.splitlines()[-1])["outcome"] == "timeout"
    assert not server.terminated


def test_each_step_is_shown_with_its_time_and_what_it_says_of_itself(server, submit):
    server.frames = [TRAINING, PUSHED]
    loop = "root.for-loop-1.iteration-item(0)"
    server.nodes = [
        node("ingest", 1, cached=True),
        node("shard", 2, path=loop),
        node("shard", 3, path=loop),
        node("merge", 4, cached=True),
        node("train", 5),
        node("gate", 7),
    ]
    for number, log in {
        2: "shard 0 | done in 1.0 s: wrote 9 tiles",
        3: "shard 1 | done in 2.0 s: wrote 8 tiles",
        5: "noise\ntrain | started\ntrain | done in 20.6 s: macro F1 0.700\n",
        7: 'gate | numbers {"outcome": "push", "alpha": 0.025, "other": 1}\n'
        "gate | done in 0.1 s: push: 0.700 is better than 0.500\n",
    }.items():
        server.logs[f"{WORKFLOW}-system-container-impl-{number}"] = log

    exit_code, output, _ = submit("--json")

    assert exit_code == 0
    lines = [line.partition("] ")[2] for line in output.splitlines() if line.startswith("[")]
    assert lines == [
        "ingest    from the cache",
        "shard     succeeded in 3 s, up to 2 s of it in one of 2 tasks",
        "merge     from the cache",
        "train     running",
        "train     succeeded in 30 s, 21 s of it in the step: macro F1 0.700",
        "evaluate  succeeded in 30 s",
        "gate      succeeded in 30 s, 0 s of it in the step: push: 0.700 is better than 0.500",
        "push      succeeded in 30 s",
    ]
    assert "pushed: 0.700 is better than 0.500" in output
    assert json.loads(output.splitlines()[-1])["gate"] == {"outcome": "push", "alpha": 0.025}
    steps = json.loads(output.splitlines()[-1])["steps"]
    assert [name for name, step in steps.items() if step["cached"]] == ["ingest", "merge"]


def test_a_failed_run_names_the_step_its_reason_and_its_log(server, submit):
    server.frames = [FAILED]
    server.nodes = [node("ingest", 1), node("train", 5, phase="Failed", message="main: Error (exit code 42)")]
    pod = f"{WORKFLOW}-system-container-impl-5"
    server.logs[pod] = "train | started\ntrain | failed (exit 42): the loss is NaN\n"

    _, _, errors = submit()

    assert errors == (
        "agrivision: run run-1 failed: train (exit 42): the loss is NaN; its log: "
        f"kubectl -n kubeflow logs {pod} -c main, or see the run's page\n"
    )


def test_without_a_log_a_failed_run_says_what_kubernetes_says(server, submit):
    server.frames = [FAILED]
    server.nodes = [node("train", 5, phase="Error", message="pod deleted")]

    assert "train pod deleted; its log: kubectl" in submit()[2]


@pytest.mark.parametrize(("fault", "times"), [(503, 2), (429, 1), (500, 1), ("cut", 2)])
def test_the_api_may_be_away_for_a_while(server, submit, fault, times):
    server.frames = [TRAINING, PUSHED]
    server.faults = {"/v2beta1/runs/run-1": [fault] * times, "pipelines/pipe/versions": [fault]}

    assert submit()[0] == 0
    assert len(server.runs) == 1


def test_an_api_that_stays_away_is_given_up_and_the_run_goes_on(server, submit, monkeypatch):
    monkeypatch.setattr(follow, "OUTAGE_SECONDS", 1)
    server.faults = {"/v2beta1/runs/run-1": [503] * 99}

    exit_code, _, errors = submit()

    assert exit_code == 75
    assert f"503 on request; run run-1 continues: {server.url}/#/runs/details/run-1" in errors
    assert not server.terminated


def test_a_run_is_never_started_twice(server, submit):
    server.faults = {"/v2beta1/runs": ["cut"] * 9}

    exit_code, _, errors = submit()

    assert exit_code == 75
    assert "no answer" in errors
    assert sum(path.endswith("/runs") for _, path in server.requests) == 1


def test_the_same_pipeline_is_uploaded_once(server, submit):
    assert submit()[0] == 0
    assert submit()[0] == 0

    assert len(server.runs) == 2
    assert sum(path.endswith("upload_version") for _, path in server.requests) == 1
    assert server.pipelines == ["agrivision-training"]
    assert server.experiments == ["agrivision"]


def test_another_pipeline_under_the_same_name_is_refused(server, submit):
    assert submit("--version=v1")[0] == 0

    exit_code, _, errors = submit("--version=v1", "--image=example/other:1")

    assert exit_code == 2
    assert "version 'v1' of agrivision-training" in errors
    assert "is not the pipeline compiled here" in errors
    assert len(server.runs) == 1


def test_another_image_is_the_only_change_to_what_is_uploaded(server, submit):
    image = "registry.example:5000/agrivision/python@sha256:" + "0" * 64
    assert submit("--version=v1", f"--image={image}")[0] == 0

    assert server.versions["v1"]["description"] == DESCRIPTION  # a pipeline that the page made may have none
    spec = server.versions["v1"]["pipeline_spec"]["pipeline_spec"]
    committed = next(yaml.safe_load_all((ROOT / "pipeline/agrivision-training.yaml").read_text()))
    executors = committed["deploymentSpec"]["executors"].values()
    for executor in executors:
        executor["container"]["image"] = image
    assert spec == committed
    assert len(executors) == 9


def test_without_waiting_the_id_is_all_that_is_printed(server, submit):
    assert submit("--no-wait")[:2] == (0, "run-1\n")
    assert not any(path.endswith("/runs/run-1") for _, path in server.requests)


def test_a_recurring_run_is_made_with_its_schedule(server, submit):
    assert submit("--cron=0 0 3 * * *", "--ingest-seed=7")[:2] == (0, "again-1\n")

    (made,) = server.recurring_runs
    assert made["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * *"
    assert made["runtime_config"]["parameters"]["data_options"]["seed"] == 7
    assert not server.runs


def test_a_new_token_is_fetched_when_the_old_one_expires(server, submit):
    server.frames = [TRAINING, PUSHED]
    server.faults = {"/v2beta1/runs/run-1": [401]}

    assert submit()[0] == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_submit_terminates_its_run(server, number, code):
    server.frames = [TRAINING]
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "submit", f"--host={server.url}", *PLACES]
    process = subprocess.Popen(
        [*command, "--json"],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell lets what it puts into the background ignore SIGINT, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    until = time.monotonic() + 60
    while not any(path.endswith("/runs/run-1") for _, path in server.requests) and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)

    assert process.returncode == code
    assert server.terminated == ["run-1"]
    assert errors == "agrivision: interrupted; run run-1 is terminated\n"
    assert json.loads(output.splitlines()[-1])["outcome"] == "interrupted"


def test_an_interruption_while_the_run_is_being_started_is_heeded_after(server, submit, monkeypatch):
    server.frames = [TRAINING]
    send = kubeflow.Kubeflow.call

    def interrupted(self, request, patience_seconds=0.0):
        if len(server.experiments) == 1 and not server.runs:
            signal.raise_signal(signal.SIGTERM)
        return send(self, request, patience_seconds)

    monkeypatch.setattr(kubeflow.Kubeflow, "call", interrupted)

    exit_code, _, errors = submit()

    assert exit_code == 143
    assert server.terminated == ["run-1"]
    assert "run run-1 is terminated" in errors


def test_a_step_at_work_says_how_far_it_is(server, submit, monkeypatch):
    monkeypatch.setattr(follow, "LOOK_SECONDS", 0)
    server.frames = [TRAINING, TRAINING, TRAINING, PUSHED]
    server.nodes = [node("ingest", 1), node("train", 5, phase="Running")]
    server.logs[f"{WORKFLOW}-system-container-impl-5"] = "train | started\ntrain | epoch 2/5, 80 tiles/s\n"

    output = submit()[1]

    assert output.count("train     epoch 2/5, 80 tiles/s") == 1
