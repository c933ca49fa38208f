"""Records of runs on a real Kubeflow Pipelines: of one that is terminated, and of one that ends by itself."""

import contextlib
import os
import subprocess
import time
import uuid

import pytest
from kubeflow_runs import AGRIVISION, MARKS, ROOT, finish, submit

from components import storage
from components.contracts import RecordedOutcome, RecordedState
from components.mirror import mirror
from components.progress import StepLog
from components.run_records.record_file import keep_record, read_record, record_uri
from components.synth.dataset import write_dataset

BUCKET = "agri-records-test"
pytestmark = [*MARKS, pytest.mark.filterwarnings("ignore:This client only works with Kubeflow Pipeline:FutureWarning")]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder of a bucket with tiles in it, which goes when all tests are done."""
    from google.api_core.exceptions import Conflict

    from components.storage import bucket, whole_folder

    with contextlib.suppress(Conflict):
        bucket._client().create_bucket(BUCKET)
    tiles = tmp_path_factory.mktemp("source") / "tiles"
    write_dataset(tiles, layout="paper-2020", num_tiles=90, tile_size_px=64, seed=1, num_processes=1)
    uri = f"gs://{BUCKET}/{uuid.uuid4().hex}"
    mirror(str(tiles), f"{uri}/tiles", StepLog("mirror"))
    yield uri
    whole_folder.remove(uri, "")


@pytest.fixture(scope="module")
def client():
    import kfp

    return kfp.Client(host=os.environ["KFP_ENDPOINT"])


def collect(*options):
    """Runs the command as a user would, against the server that KFP_ENDPOINT names."""
    command = [*AGRIVISION, "collect", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    return done


def state_within(client, run_id, states, seconds):
    until = time.monotonic() + seconds
    while (state := client.get_run(run_id).state) not in states:
        assert time.monotonic() < until, state
        time.sleep(1)
    return state


def test_a_terminated_run_gets_its_record_from_collect_alone(root, client):
    process = submit(root, "--no-wait")
    run_id = process.communicate(timeout=300)[0].splitlines()[-1]
    state_within(client, run_id, ["RUNNING"], 60)
    going = collect(f"--run={run_id}")
    assert going.returncode == 75
    assert f"still going: {run_id} (running)" in going.stdout
    time.sleep(10)  # so that a step is at work

    client.runs.run_service_terminate_run(run_id)
    state_within(client, run_id, ["FAILED", "CANCELED", "SUCCEEDED"], 120)
    # No exit handler has run, and no last step.
    assert read_record(f"{root}/data", run_id) is None

    assert collect(f"--run={run_id}").returncode == 0
    record = read_record(f"{root}/data", run_id)
    assert (record.state, record.outcome) == (RecordedState.TERMINATED, RecordedOutcome.TERMINATED)
    assert record.is_complete
    assert record.started < record.ended
    assert record.links["run"].endswith(run_id)
    assert record.model_version is None

    before = storage.read_bytes(record_uri(f"{root}/data", run_id))
    assert collect(f"--run={run_id}").returncode == 0
    assert collect(f"--data-root={root}/data", "--since-days=1").returncode == 0
    assert storage.read_bytes(record_uri(f"{root}/data", run_id)) == before


def test_the_last_step_leaves_the_record_and_submit_completes_it(root):
    code, run, errors = finish(submit(root))
    assert code == 0, errors

    record = read_record(f"{root}/data", run["run_id"])
    assert (record.outcome, record.is_complete) == (RecordedOutcome.PUSHED, True)
    # Only the last step could say these; Kubeflow has put the run's id and name in place of its placeholders.
    assert record.gate.decision == "push"
    assert storage.exists(f"{root}/models/versions/{record.model_version}/card.json")
    assert storage.exists(f"{root}/data/training/{record.training_id}/receipt.json")
    assert record.pipeline_version == run["version"]
    # And only its pods these.
    assert all(step.seconds is not None and step.image for step in record.steps.values())
    assert record.steps["train"].pod_seconds > 0
    assert record.steps["train"].worker_pod_seconds > 0
    # Nothing is left to learn.
    assert keep_record(f"{root}/data", record) == record
    assert collect(f"--run={run['run_id']}").stdout.startswith("wrote 0 records; 1 were complete before")
