"""Two gangs at once on a cluster whose network enforces policies: each trains, and nobody reaches another's pods."""

import contextlib
import json
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pods_network import THIRD, is_enforced, listened_on, reached_from
from pods_on_cluster import BUCKET_MARKS, Workplace, kubectl, workplace
from pods_training import FOREVER, launcher_process, settings
from train_fixtures import wait_for

from components.train.launch.pods.job import TRAINING
from components.train.settings.worker_spec import EXIT_STOPPED

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
    bucket_data: tuple[str, Path], place: Workplace, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        launchers = [
            stack.enter_context(launcher_process(settings(bucket_data, seed, FOREVER), tmp_path / f"output-{seed}"))
            for seed in (1, 2)
        ]
        wait_for(lambda: steps(place) == [True, True], seconds=300.0)
        one, other = gangs(place).values()
        ports = {pod["metadata"]["name"]: listened_on(place.namespace, pod) for pod in (*one, *other)}
        assert all(2222 in listening for listening in ports.values()), "TensorFlow's servers are there to be reached"

        def reached(pod: str, targets: list[dict[str, Any]], namespace: str = place.namespace) -> list[bool]:
            """Tells of each port of the targets whether a pod reaches it."""
            at = [f"{each['status']['podIP']}:{port}" for each in targets for port in ports[each["metadata"]["name"]]]
            found = reached_from(namespace, pod, at)
            return [address in found for address in at]

        first, last = one[0]["metadata"]["name"], other[1]["metadata"]["name"]
        assert not any(reached(first, other))
        assert not any(reached(last, one))
        assert not any(reached(THIRD, [*one, *other]))
        assert not any(reached(f"{THIRD}-{uuid.uuid4().hex[:6]}", [*one, *other], "default")), "nor from afar"
        # All this while, each could be reached by its own.
        assert all(reached(first, one[1:]))
        assert all(reached(last, other[:1]))

        for launcher in launchers:
            launcher.send_signal(signal.SIGTERM)
        assert [launcher.wait(120.0) for launcher in launchers] == [EXIT_STOPPED, EXIT_STOPPED]
    assert place.left() == ""
