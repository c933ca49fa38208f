"""Workers whose nodes are drained, or given to somebody more important: they come back, and it is no restart."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pods_nodes import nodes, pretended_gpus
from pods_on_cluster import BUCKET_MARKS, Workplace, kubectl
from pods_training import SMALL, BackgroundTraining, settings

from components import environment
from components.train.launch.pods.job import TRAINING
from components.train.settings.node_pools import GPU, Pool, PoolSettings

pytestmark = [*BUCKET_MARKS, pytest.mark.usefixtures("use_the_workplace")]
NUM_EPOCHS = 20


def assert_resumed_once(training: BackgroundTraining) -> None:
    """Waits for its end; it was allowed no restart."""
    assert training.finish().num_restarts == 1, training.output
    assert "; starting again from the last checkpoint, which does not count as a restart" in training.output
    assert training.output.count("train | resumed at epoch") == 1
    assert f"epoch {NUM_EPOCHS}/{NUM_EPOCHS} done" in training.output


def test_workers_of_a_drained_node_wait_for_another_and_go_on(bucket_data: tuple[str, Path], place: Workplace) -> None:
    training = BackgroundTraining(settings(bucket_data, 1, NUM_EPOCHS))
    training.wait_until(lambda: place.is_training(1))
    names = [node["metadata"]["name"] for node in nodes()]
    label = place.pods()["1-0"]["metadata"]["labels"][TRAINING]
    try:
        # Of these pods alone, whatever else runs there.
        kubectl("drain", *names, f"--pod-selector={TRAINING}={label}", "--delete-emptydir-data", "--timeout=100s")
        training.wait_until(lambda: training.says(r"worker [01] waits for a node: 0/\d+ nodes are .* unschedulable"))
    finally:
        kubectl("uncordon", *names)
    assert_resumed_once(training)
    assert training.says(r"worker [01] was taken from its node"), training.output
    assert place.left() == ""


@pytest.fixture
def two_gpus() -> Iterator[Pool]:
    """A pool of one GPU for each of two workers."""
    selector = {"agrivision-test": uuid.uuid4().hex}
    with pretended_gpus(2, selector):
        yield PoolSettings(
            accelerator_type=GPU, accelerator_count=1, node_selector=selector, cpu=SMALL.cpu, memory=SMALL.memory
        ).pool()


@pytest.fixture
def rival(place: Workplace, two_gpus: Pool) -> Iterator[dict[str, Any]]:
    """A pod that is more important than a worker, yet to be created, and wants a GPU."""
    name = f"agrivision-test-{uuid.uuid4().hex[:8]}"
    priority = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 10}
    container = {
        "name": "rival",
        "image": environment.container_image(),
        "command": ["sleep", "600"],
        "resources": {"limits": {GPU: "1"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": place.namespace},
        "spec": {
            "priorityClassName": name,
            "nodeSelector": two_gpus.node_selector,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        },
    }
    kubectl("create", "-f", "-", documents=[priority])
    yield pod
    kubectl("delete", "priorityclass", name)


def test_a_worker_that_is_preempted_waits_for_room_and_goes_on(
    bucket_data: tuple[str, Path],
    place: Workplace,
    two_gpus: Pool,
    rival: dict[str, Any],
) -> None:
    training = BackgroundTraining(settings(bucket_data, 2, NUM_EPOCHS), two_gpus)
    training.wait_until(lambda: place.is_training(1))
    kubectl("create", "-f", "-", documents=[rival])
    training.wait_until(lambda: training.says(rf"worker [01] waits for a node: .*Insufficient {GPU}"))
    kubectl("delete", "pod", "-n", place.namespace, rival["metadata"]["name"])
    assert_resumed_once(training)
    assert training.says(r"worker [01] was taken from its node"), training.output
    assert place.left() == ""
