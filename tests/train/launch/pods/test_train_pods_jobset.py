"""Workers as a JobSet, where its own controller is installed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pods_on_cluster import BUCKET_MARKS, MANIFESTS, Workplace, is_installed, kubectl, workplace
from pods_training import FOREVER, BackgroundTraining, kill_process_of, launcher_process, settings
from train_fixtures import wait_for

pytestmark = [*BUCKET_MARKS, pytest.mark.usefixtures("use_the_workplace")]


def more_rights() -> list[dict[str, Any]]:
    """Returns the rules that manifests/jobset adds to the launcher's Role."""
    component = yaml.safe_load((MANIFESTS / "jobset" / "kustomization.yaml").read_text())
    (patch,) = [each["patch"] for each in component["patches"] if each["target"]["kind"] == "Role"]
    return [operation["value"] for operation in yaml.safe_load(patch)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    if not is_installed("jobsets.jobset.x-k8s.io"):
        pytest.skip("needs a cluster with the JobSet controller")
    with workplace(tmp_path_factory.mktemp("kube"), *more_rights()) as made:
        yield made


@pytest.fixture
def use_the_workplace(monkeypatch: pytest.MonkeyPatch, use_the_workplace: None) -> None:
    monkeypatch.setenv("AGRIVISION_WORKER_API", "jobset")


def test_a_killed_worker_restarts_the_jobset_which_trains_to_its_end(
    bucket_data: tuple[str, Path], place: Workplace
) -> None:
    training = BackgroundTraining(settings(bucket_data, 1, 30, max_restarts=1))
    training.wait_until(lambda: training.says("epoch 2/30 done"))  # the checkpoint of the first is there
    assert "jobset" in kubectl("get", "jobsets", "-n", place.namespace, "-o", "name")
    worker = place.pods()["1-1"]["metadata"]
    killed = kill_process_of(worker["uid"])
    if not killed:
        kubectl("delete", "pod", "-n", place.namespace, worker["name"], "--wait=false")
    receipt = training.finish()
    assert receipt.num_restarts == 1
    ending = "was killed by SIGKILL; restart 1 of 1, from" if killed else "was deleted; starting again from"
    assert f"worker 1 {ending} the last checkpoint" in training.output
    assert training.output.count("train | resumed at epoch") == 1
    assert "epoch 30/30 done" in training.output
    assert kubectl("get", "jobsets", "-n", place.namespace, "-o", "name") == ""
    wait_for(lambda: place.left() == "", seconds=30.0)  # what a JobSet owned goes after it


def test_the_workers_of_a_jobset_do_not_outlive_their_launcher(
    bucket_data: tuple[str, Path], place: Workplace, tmp_path: Path
) -> None:
    with launcher_process(settings(bucket_data, 2, FOREVER), tmp_path / "output") as launcher:
        wait_for(lambda: place.is_training(1) or launcher.poll() is not None)
        assert place.is_running("1-1"), (tmp_path / "output").read_text()
    assert launcher.returncode < 0
    wait_for(lambda: not any(map(place.is_running, place.pods())), seconds=90.0)
