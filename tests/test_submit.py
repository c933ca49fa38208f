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
from kubeflow_server import FAILED, PUSHED, REFUSED, STARTING, TRAINING, WORKFLOW, ScriptedKubeflow, node

from pipeline import cli, follow, kubeflow

ROOT = Path(__file__).parents[1]
PLACES = ["--source-uri=gs://b/tiles", "--data-root=gs://b/data", "--models-uri=gs://b/models"]


@pytest.fixture
def server():
    with ScriptedKubeflow() as running:
        yield running


@pytest.fixture
def submit(server, monkeypatch, capsys):
    """Runs the command; returns its exit code, its output and its errors."""
    monkeypatch.delenv("KFP_ENDPOINT", raising=False)
    monkeypatch.delenv("KFP_EXISTING_TOKEN", raising=False)

    def run(*options, places=PLACES, host=server.url):
        argv = ["agrivision", "submit", *([f"--host={host}"] if host else []), *places, *map(str, options)]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output = capsys.readouterr()
        return ended.value.code or 0, output.out, output.err

    return run


@pytest.mark.parametrize(
    ("frames", "code", "outcome"),
    [
        ([STARTING, TRAINING, PUSHED], 0, "pushed"),
        ([STARTING, TRAINING, REFUSED], 3, "refused"),
        ([FAILED], 1, "failed"),
        # Whoever terminates a run leaves no failed step.
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
    assert "run run-1 is still RUNNING after 0.01 minutes, and goes on" in errors
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
        7: "gate | done in 0.1 s: push: 0.700 is better than 0.500\n",
    }.items():
        server.logs[f"{WORKFLOW}-system-container-impl-{number}"] = log

    exit_code, output, _ = submit("--json")

    assert exit_code == 0
    lines = [line.partition("] ")[2] for line in output.splitlines() if line.startswith("[")]
    assert lines == [
        "ingest    from the cache",
        "shard     succeeded in 3 s, up to 2 s of them in one of 2 tasks",
        "merge     from the cache",
        "train     running",
        "train     succeeded in 30 s, 21 s of them in the step: macro F1 0.700",
        "evaluate  succeeded in 30 s",
        "gate      succeeded in 30 s, 0 s of them in the step: push: 0.700 is better than 0.500",
        "push      succeeded in 30 s",
    ]
    assert "pushed: 0.700 is better than 0.500" in output
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
        f"kubectl -n kubeflow logs {pod} -c main, or the page of the run\n"
    )


def test_without_a_log_a_failed_run_says_what_kubernetes_says(server, submit):
    server.frames = [FAILED]
    server.nodes = [node("train", 5, phase="Error", message="pod deleted")]

    assert "train pod deleted; its log: kubectl" in submit()[2]


# A client that was cut off asks three times more by itself.
@pytest.mark.parametrize(("fault", "times"), [(503, 2), (429, 1), (500, 1), ("cut", 5)])
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
    assert f"503 on request; run run-1 goes on: {server.url}/#/runs/details/run-1" in errors
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
    assert "is another pipeline than the one here" in errors
    assert len(server.runs) == 1


def test_another_image_is_the_only_change_to_what_is_uploaded(server, submit):
    image = "registry.example:5000/agrivision/python@sha256:" + "0" * 64
    assert submit("--version=v1", f"--image={image}")[0] == 0

    spec = server.versions["v1"]["pipeline_spec"]["pipeline_spec"]
    committed = next(yaml.safe_load_all((ROOT / "pipeline/training_pipeline.yaml").read_text()))
    executors = committed["deploymentSpec"]["executors"].values()
    for executor in executors:
        executor["container"]["image"] = image
    assert spec == committed
    assert len(executors) == 7


def test_parameters_come_from_a_file_and_the_command_line_wins(server, submit, tmp_path):
    path = tmp_path / "retrain.yaml"
    path.write_text(
        "# the weekly training\n"
        "data_root: gs://other/data\n"
        "train_num_workers: 3\n"
        "train_config: {epochs: 5, global_batch_size: 33}\n"
        "train_node_selector: {pool: fast}\n"
        "gate_min_macro_f1: 0  # anything is better than nothing\n"
    )

    assert submit(f"--params={path}", "--train-num-workers=11", "--train-tolerations=[]")[0] == 0

    sent = server.runs[0]["runtime_config"]["parameters"]
    assert sent["data_root"] == "gs://b/data"
    assert sent["train_num_workers"] == 11
    assert json.loads(sent["train_config"]) == {"epochs": 5, "global_batch_size": 33}
    assert sent["train_node_selector"] == {"pool": "fast"}
    assert sent["gate_min_macro_f1"] == 0
    assert "volume_claim" not in sent


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train_worker: 2", "unknown parameter 'train_worker' in {path}; did you mean train_num_workers?"),
        ("train_num_workers: two", "train_num_workers must be a whole number, got 'two'"),
        ("train_num_workers: true", "train_num_workers must be a whole number, got True"),
        ("train_strategy: 2", "train_strategy must be text, got 2"),
        ("train_tolerations: {}", "train_tolerations must be a list such as [], got {{}}"),
        ("train_config: [1]", "train_config must be text, got [1]"),
        ("ingest_seed: 1\ningest_seed: 2", "{path} gives ingest_seed more than once"),
        ("- ingest_seed", "{path} must name parameters, such as 'train_num_workers: 2', got ['ingest_seed']"),
        ("", "{path} must name parameters, such as 'train_num_workers: 2', got None"),
        ("a: [", "{path} is neither YAML nor JSON: "),
        ("train_profile: gpu", "unknown train_profile 'gpu'; expected one of cpu, "),
        ("train_accelerator_count: '2'", "train_accelerator_count is 2, and train_profile cpu has no accelerator"),
        ('{"gate_min_macro_f1": 2}', "gate_min_macro_f1 must be between 0 and 1, got 2"),
    ],
)
def test_a_bad_file_is_refused_before_anything_is_sent(server, submit, tmp_path, text, message):
    path = tmp_path / "params.yaml"
    path.write_text(text)

    exit_code, _, errors = submit(f"--params={path}")

    assert exit_code == 2
    assert message.format(path=path) in errors
    assert len(errors.splitlines()) == 1
    assert not server.requests


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data-root=/mnt/agrivision/data"], "data_root is a folder, '/mnt/agrivision/data', which the steps"),
        (["--data-root=/data", "--volume-claim=c"], "data_root must be a gs:// URI, or beneath /mnt/agrivision, where"),
        (["--train-node-selector=fast"], "train_node_selector must be JSON, got 'fast'"),
        (["--image=Example"], "--image must be <registry>/<name>:<tag> or <name>@sha256:<digest>, got 'Example'"),
        (["--timeout-minutes=0"], "--timeout-minutes must be above 0, got 0; --no-wait does not wait"),
        (["--params=/nowhere/params.yaml"], "cannot read the parameters in '/nowhere/params.yaml'"),
    ],
)
def test_bad_options_are_refused_before_anything_is_sent(server, submit, options, message):
    exit_code, _, errors = submit(*options)

    assert exit_code == 2
    assert message in errors
    assert len(errors.splitlines()) == 1
    assert not server.requests


def test_nobody_at_the_address_is_a_bad_setting(submit):
    exit_code, _, errors = submit(host="http://127.0.0.1:9")

    assert exit_code == 2
    assert "no Kubeflow Pipelines answers at 'http://127.0.0.1:9'" in errors
    assert submit(host="")[2].startswith("agrivision: where is Kubeflow Pipelines? Give --host")


def test_the_token_of_the_environment_is_sent_and_a_bad_one_is_a_bad_setting(server, submit, monkeypatch):
    monkeypatch.setenv("KFP_EXISTING_TOKEN", "secret")
    monkeypatch.setenv("KFP_ENDPOINT", server.url)
    assert submit(host="")[0] == 0
    assert server.tokens == {"Bearer secret"}

    server.faults = {"pipelines": [401] * 9}
    exit_code, _, errors = submit()
    assert exit_code == 2
    assert "401 on request; give a token that may do this" in errors


def test_a_volume_claim_takes_the_pipeline_that_mounts_it(server, submit):
    places = ["--source-uri=gs://b/tiles"]  # and the others beneath /mnt/agrivision, by default
    assert submit("--volume-claim=my-claim", "--version=v1", places=places)[0] == 0

    assert server.runs[0]["runtime_config"]["parameters"]["volume_claim"] == "my-claim"
    kubernetes = server.versions["v1"]["pipeline_spec"]["platform_spec"]["platforms"]["kubernetes"]
    assert all("pvcMount" in each for each in kubernetes["deploymentSpec"]["executors"].values())


def test_without_waiting_the_id_is_all_that_is_printed(server, submit):
    assert submit("--no-wait")[:2] == (0, "run-1\n")
    assert not any(path.endswith("/runs/run-1") for _, path in server.requests)


def test_a_recurring_run_is_made_with_its_schedule(server, submit):
    assert submit("--cron=0 0 3 * * *", "--ingest-seed=7")[:2] == (0, "again-1\n")

    (made,) = server.recurring_runs
    assert made["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * *"
    assert made["runtime_config"]["parameters"]["ingest_seed"] == 7
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
