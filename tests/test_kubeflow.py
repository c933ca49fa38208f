"""`agrivision submit` and the compiled pipeline on a real Kubeflow Pipelines, with data on a bucket."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from components import environment, storage
from components.mirror import mirror
from components.progress import StepLog
from components.synth.dataset import write_dataset

ROOT = Path(__file__).parents[1]
BUCKET = "agri-kubeflow-test"
TINY = {"epochs": 1, "image_size_px": 32, "global_batch_size": 16}
pytestmark = [
    pytest.mark.kfp,
    pytest.mark.slow,
    pytest.mark.skipif(
        not {"KFP_ENDPOINT", "STORAGE_EMULATOR_HOST"} <= set(os.environ),
        reason="needs Kubeflow Pipelines (KFP_ENDPOINT) and a gs:// that its pods reach (STORAGE_EMULATOR_HOST)",
    ),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder of a bucket with tiles in it, which goes when all tests are done."""
    from google.api_core.exceptions import Conflict

    from components import bucket, whole_folder

    with contextlib.suppress(Conflict):
        bucket._client().create_bucket(BUCKET)
    uri = f"gs://{BUCKET}/{uuid.uuid4().hex}"
    tiles = tmp_path_factory.mktemp("source") / "tiles"
    write_dataset(tiles, layout="paper-2020", num_tiles=90, seed=1, tile_size_px=64, num_processes=1)
    mirror(str(tiles), f"{uri}/tiles", StepLog("mirror"))
    yield uri
    whole_folder.remove(uri, "")


@pytest.fixture(scope="module")
def client():
    import kfp

    return kfp.Client(host=os.environ["KFP_ENDPOINT"])


def submit(root, *options, source="tiles"):
    """Starts the command with the image that AGRIVISION_IMAGE names, or the one that is compiled in."""
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "submit", "--experiment=tests", "--json"]
    settings = {
        "source-uri": f"{root}/{source}",
        "data-root": f"{root}/data",
        "models-uri": f"{root}/models",
        "image": environment.image(),
        "train-config": json.dumps(TINY),
        "train-cpu": "100m",
        "train-memory": "1Gi",
        "gate-min-macro-f1": 0.0,
        "timeout-minutes": 9,
    }
    given = {option.removeprefix("--").partition("=")[0] for option in options}
    return subprocess.Popen(
        [*command, *(f"--{name}={value}" for name, value in settings.items() if name not in given), *options],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell lets what it puts into the background ignore SIGINT, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(process):
    output, errors = process.communicate(timeout=600)
    print(output, errors)
    return process.returncode, json.loads(output.splitlines()[-1]) if output else None, errors


def state_after(client, run_id, seconds):
    """The state of a run when it has ended, which it must within `seconds`."""
    until = time.monotonic() + seconds
    while (state := client.get_run(run_id).state) not in ("SUCCEEDED", "FAILED", "CANCELED"):
        assert time.monotonic() < until, state
        time.sleep(1)
    return state


def test_a_pushed_model_is_0_and_a_refused_one_is_3_with_the_data_steps_from_the_cache(root):
    code, run, errors = finish(submit(root))
    assert code == 0, errors
    assert run["outcome"] == "pushed"
    assert storage.exists(f"{root}/models/production.json")
    assert {name: step["state"] for name, step in run["steps"].items()} == dict.fromkeys(
        ("ingest", "shard", "merge", "train", "evaluate", "gate", "push"), "succeeded"
    )

    code, run, errors = finish(submit(root, "--gate-min-macro-f1=1.0"))
    assert code == 3, errors
    assert run["outcome"] == "refused"
    assert "is in production already" in run["message"]
    cached = {name for name, step in run["steps"].items() if step["cached"]}
    assert cached == {"ingest", "shard", "merge"}
    assert "push" not in run["steps"]


def test_a_failed_run_is_1_and_tells_the_failed_steps_own_words(root):
    code, run, errors = finish(submit(root, source="nothing-here"))

    assert code == 1
    assert run["outcome"] == "failed"
    assert "ingest (exit 42): " in errors
    assert "nothing-here" in errors
    assert "its log: kubectl -n " in errors


def test_a_version_of_the_same_name_with_another_content_is_2(root):
    version = f"test-{uuid.uuid4().hex[:8]}"
    for image, expected in (("example/python:1", 0), ("example/python:1", 0), ("example/python:2", 2)):
        process = submit(root, f"--version={version}", f"--image={image}", "--cron=0 0 0 1 1 *")
        output, errors = process.communicate(timeout=120)
        assert process.returncode == expected, errors
        if expected == 0:
            _forget_recurring(output.strip())
    assert "is another pipeline than the one here" in errors


def _forget_recurring(recurring_run_id):
    import kfp

    kfp.Client(host=os.environ["KFP_ENDPOINT"]).delete_recurring_run(recurring_run_id)


def test_a_run_that_takes_too_long_is_124_and_goes_on(root, client):
    code, run, _ = finish(submit(root, "--timeout-minutes=0.05"))

    assert code == 124
    assert client.get_run(run["run_id"]).state in ("PENDING", "RUNNING")
    client.terminate_run(run["run_id"])


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_submit_terminates_its_run(root, client, number, expected):
    process = submit(root)
    for line in process.stdout:
        if line.startswith("run "):
            break
    process.send_signal(number)
    code, run, errors = finish(process)

    assert code == expected
    assert f"run {run['run_id']} is terminated" in errors
    assert state_after(client, run["run_id"], 60) != "SUCCEEDED"


def test_a_recurring_run_starts_by_itself(root, client):
    process = submit(root, "--cron=*/2 * * * * *", source="nothing-here")
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    recurring_run_id = output.strip()
    try:
        until = time.monotonic() + 90
        while not _runs_of(client, recurring_run_id):
            assert time.monotonic() < until
            time.sleep(1)
    finally:
        # In this order: what a recurring run has started goes with it, and could not be terminated any more.
        client.disable_recurring_run(recurring_run_id)
        for run in _runs_of(client, recurring_run_id):
            client.terminate_run(run.run_id)
        client.delete_recurring_run(recurring_run_id)


def _runs_of(client, recurring_run_id):
    runs = client.list_runs(page_size=50, sort_by="created_at desc").runs or []
    return [run for run in runs if run.recurring_run_id == recurring_run_id]
