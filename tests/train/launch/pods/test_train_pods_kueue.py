"""Workers that wait in a queue of Kueue, where it is installed, until there is quota for all of them."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pods_on_cluster import BUCKET_MARKS, Workplace, dataset_in_bucket, is_installed, kubectl, workplace
from pods_training import BackgroundTraining, settings
from train_fixtures import wait_for

pytestmark = BUCKET_MARKS
QUEUES = "clusterqueues.kueue.x-k8s.io"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    if not is_installed(QUEUES):
        pytest.skip("needs a cluster with Kueue")
    with workplace(tmp_path_factory.mktemp("kube")) as made:
        yield made


def quotas(flavor: str, cpu: str) -> dict[str, Any]:
    resources = [{"name": "cpu", "nominalQuota": cpu}, {"name": "memory", "nominalQuota": "8Gi"}]
    return {"coveredResources": ["cpu", "memory"], "flavors": [{"name": flavor, "resources": resources}]}


@pytest.fixture
def queue(place: Workplace) -> Iterator[str]:
    """A queue with quota for one worker and a half; yields its name."""
    name = f"agrivision-test-{uuid.uuid4().hex[:8]}"
    stored = "-o=jsonpath={.spec.versions[?(@.storage==true)].name}"
    api = f"kueue.x-k8s.io/{kubectl('get', 'crd', QUEUES, stored)}"
    documents = [
        {"apiVersion": api, "kind": "ResourceFlavor", "metadata": {"name": name}},
        {
            "apiVersion": api,
            "kind": "ClusterQueue",
            "metadata": {"name": name},
            "spec": {"namespaceSelector": {}, "resourceGroups": [quotas(name, cpu="150m")]},
        },
        {
            "apiVersion": api,
            "kind": "LocalQueue",
            "metadata": {"name": name, "namespace": place.namespace},
            "spec": {"clusterQueue": name},
        },
    ]
    try:
        kubectl("create", "-f", "-", documents=documents)
        yield name
    finally:
        kubectl("delete", "-f", "-", "--ignore-not-found", "--wait=false", documents=documents[::-1])


def test_workers_wait_for_quota_and_train_together_and_give_way_without_a_restart(
    place: Workplace,
    queue: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def change(**spec: Any) -> None:
        kubectl("patch", "clusterqueue", queue, "--type=merge", "-p", json.dumps({"spec": spec}))

    place.use(monkeypatch)
    monkeypatch.setenv("AGRIVISION_QUEUE", queue)
    training = BackgroundTraining(settings(dataset_in_bucket(tmp_path), 1, 20))
    training.wait_until(lambda: training.says(r"waits in its queue: .*insufficient (unused )?quota for cpu"))
    assert place.pods() == {}, "all of them or none"
    change(resourceGroups=[quotas(queue, cpu="200m")])
    training.wait_until(lambda: place.is_training(1))
    change(stopPolicy="HoldAndDrain")  # as if it was others' turn
    training.wait_until(lambda: training.says(r"(?s)epoch 1/.* waits in its queue: .*ClusterQueue"))
    wait_for(lambda: place.pods() == {}, seconds=60.0)
    change(stopPolicy="None")
    assert training.finish().num_restarts == 0
    assert training.output.count("train | resumed at epoch") == 1
    assert "epoch 20/20 done" in training.output
    assert place.left() == ""
