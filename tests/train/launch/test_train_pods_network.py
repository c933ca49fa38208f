"""Two gangs at once on a cluster whose network enforces policies: each trains, and nobody reaches another's pods."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pods_network import THIRD, is_enforced, listened_on, reached_from
from pods_on_cluster import BUCKET_MARKS, Workplace, kubectl, workplace
from pods_training import BackgroundTraining, settings
from train_fixtures import wait_for

from components.train.launch.pods.job import TRAINING

pytestmark = [*BUCKET_MARKS, pytest.mark.usefixtures("use_the_workplace")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with workplace(tmp_path_factory.mktemp("kube")) as made:
        if not is_enforced(made.namespace):
            pytest.skip("needs a cluster whose network enforces network policies")
        yield made


def gangs(place: Workplace) -> dict[str, list[dict[str, Any]]]:
    """Returns the pods of each training that run, by its name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for pod in json.loads(kubectl("get", "pods", "-n", place.namespace, "-o", "json", "-l", TRAINING))["items"]:
        if pod["status"]["phase"] == "Running":
            found.setdefault(pod["metadata"]["labels"][TRAINING], []).append(pod)
    return found


def steps(place: Workplace) -> list[bool]:
    """Tells of each training whether it takes steps."""
    chiefs = [pods[0]["metadata"]["name"] for pods in gangs(place).values() if len(pods) == 2]
    return [" step " in kubectl("logs", "-n", place.namespace, name, "--tail=20") for name in chiefs]


def test_two_gangs_train_at_once_and_neither_each_other_nor_a_third_pod_reaches_them(
    bucket_data: tuple[str, Path], place: Workplace, capfd: pytest.CaptureFixture[str]
) -> None:
    trainings = [BackgroundTraining(settings(bucket_data, seed, 60), capfd) for seed in (1, 2)]
    wait_for(lambda: steps(place) == [True, True])
    one, other = gangs(place).values()
    ports = {pod["metadata"]["name"]: listened_on(place.namespace, pod) for pod in (*one, *other)}
    assert all(2222 in listening for listening in ports.values()), "TensorFlow's servers are there to be reached"

    def targets(pods: list[dict[str, Any]]) -> list[str]:
        return [f"{pod['status']['podIP']}:{port}" for pod in pods for port in ports[pod["metadata"]["name"]]]

    first = one[0]["metadata"]["name"]
    assert sorted(reached_from(place.namespace, first, targets(one[1:]))) == sorted(targets(one[1:])), "its own"
    assert reached_from(place.namespace, first, targets(other)) == []
    assert reached_from(place.namespace, other[1]["metadata"]["name"], targets(one)) == []
    assert reached_from(place.namespace, THIRD, targets([*one, *other])) == []
    assert reached_from("default", f"{THIRD}-{uuid.uuid4().hex[:6]}", targets([*one, *other])) == [], "nor from afar"

    assert [training.finish().num_restarts for training in trainings] == [0, 0]
    assert place.left() == ""
