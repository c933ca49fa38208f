"""Two experiments of the study on a real Kubeflow Pipelines; a second run measures nothing again."""

import contextlib
import json
import os
import uuid

import pytest
from kfp import Client, compiler
from kubeflow_runs import MARKS

from components import storage
from pipeline.study_pipeline import study_pipeline

BUCKET = "agri-kubeflow-test"
EXPERIMENTS = ["hybrid", "epochs"]
pytestmark = [*MARKS, pytest.mark.filterwarnings("ignore:This client only works with Kubeflow Pipeline:FutureWarning")]


@pytest.fixture(scope="module")
def root():
    """A folder of a bucket, which goes when all tests are done."""
    from google.api_core.exceptions import Conflict

    from components.storage import bucket, whole_folder

    with contextlib.suppress(Conflict):
        bucket._client().create_bucket(BUCKET)
    uri = f"gs://{BUCKET}/{uuid.uuid4().hex}"
    yield uri
    whole_folder.remove(uri, "")


def run_on_kubeflow(path, root):
    client = Client(host=os.environ["KFP_ENDPOINT"])
    arguments = {"data_root": f"{root}/data", "preset": "ci", "experiment_cpu": "500m", "experiment_memory": "1Gi"}
    run = client.create_run_from_pipeline_package(str(path), arguments, experiment_name="tests")
    return client.wait_for_run_completion(run.run_id, timeout=900).state


def test_experiments_run_one_after_the_other_and_are_kept(tmp_path, root):
    package = tmp_path / "study.yaml"
    compiler.Compiler().compile(study_pipeline(names=EXPERIMENTS), str(package))

    assert run_on_kubeflow(package, root) == "SUCCEEDED"
    kept = {file.path: storage.read_bytes(f"{root}/data/study/{file.path}") for file in _parts(root)}
    assert sorted(json.loads(content)["experiment"] for content in kept.values()) == sorted(EXPERIMENTS)

    assert run_on_kubeflow(package, root) == "SUCCEEDED"
    assert {file.path: storage.read_bytes(f"{root}/data/study/{file.path}") for file in _parts(root)} == kept


def _parts(root):
    return storage.list_files(f"{root}/data/study")
