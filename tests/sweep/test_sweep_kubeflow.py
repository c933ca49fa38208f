"""A sweep on a real Kubeflow Pipelines, with data on a bucket, and a trial that fails."""

import contextlib
import json
import uuid

import pytest
from kubeflow_runs import MARKS, finish, submit

from components import storage
from components.mirror import mirror
from components.progress import StepLog
from components.synth.dataset import write_dataset

BUCKET = "agri-kubeflow-test"
pytestmark = [*MARKS, pytest.mark.filterwarnings("ignore:This client only works with Kubeflow Pipeline:FutureWarning")]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder of a bucket with tiles in it, which goes when all tests are done."""
    from google.api_core.exceptions import Conflict

    from components.storage import bucket, whole_folder

    folder = tmp_path_factory.mktemp("source") / "tiles"
    write_dataset(folder, layout="paper-2020", num_tiles=90, tile_size_px=64, seed=1, num_processes=1)
    with contextlib.suppress(Conflict):
        bucket._client().create_bucket(BUCKET)
    uri = f"gs://{BUCKET}/{uuid.uuid4().hex}"
    mirror(str(folder), f"{uri}/tiles", StepLog("mirror"))
    yield uri
    whole_folder.remove(uri, "")


def sweep(root):
    """Starts three trials in two rungs, of 1 and of 3 epochs; with the last rate, the loss is no number."""
    config = json.dumps({"epochs": 3, "image_size_px": 32, "global_batch_size": 16})
    options = ("--sweep-num-seeds=1", "--sweep-reduction=3", "--train-num-workers=1", f"--train-config={config}")
    return submit(root, "--search=learning_rate=0.001,0.01,1e30", *options)


def test_the_best_trial_is_pushed_and_a_second_sweep_trains_nothing_again(root):
    code, run, errors = finish(sweep(root))
    assert code == 0, errors
    assert run["outcome"] == "pushed"
    steps = ("check", "propose", "ingest", "shard", "merge", "trial", "keep", "choose")
    assert {name: step["state"] for name, step in run["steps"].items()} == dict.fromkeys(
        (*steps, "train", "evaluate", "gate", "push"), "succeeded"
    )
    receipts = _receipts(root)
    assert len(receipts) == 3  # two trials of the first rung, one of the second

    code, run, errors = finish(sweep(root))
    assert code == 3, errors
    assert "is already in production" in run["message"]
    assert _receipts(root) == receipts


def _receipts(root):
    found = [file.path for file in storage.list_files(f"{root}/data/training") if file.path.endswith("/receipt.json")]
    return {path: storage.read_bytes(f"{root}/data/training/{path}") for path in found}
