"""Workers run on the nodes of their pool, and nobody else's do."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pods_nodes import pretended_gpus
from pods_on_cluster import BUCKET_MARKS, Workplace
from pods_training import SMALL, BackgroundTraining, settings, train_in_pods

from components.progress import StepLog
from components.train.launch.pods.pod_waits import Limits
from components.train.launch.pods.task_config import TaskSettings
from components.train.settings.node_pools import GPU, PoolSettings
from components.train.settings.worker_spec import WorkersFailed

pytestmark = [*BUCKET_MARKS, pytest.mark.usefixtures("use_the_workplace")]
L4 = {"cloud.google.com/gke-accelerator": "nvidia-l4"}


@pytest.fixture
def gpu_node() -> Iterator[str]:
    """A node that looks as GKE makes those with two L4."""
    with pretended_gpus(2, L4, f"{GPU}=present:NoSchedule") as name:
        yield name


def test_workers_of_a_gpu_profile_land_on_its_labelled_and_tainted_node_with_a_gpu_each(
    bucket_data: tuple[str, Path], place: Workplace, gpu_node: str
) -> None:
    pool = PoolSettings(profile="gke-gpu-l4", cpu=SMALL.cpu, memory=SMALL.memory, shared_memory="64Mi").pool()
    training = BackgroundTraining(settings(bucket_data, 1, 10), pool)
    training.wait_until(lambda: place.is_training(1))
    pods = place.pods()
    assert {key: pod["spec"]["nodeName"] for key, pod in pods.items()} == {"1-0": gpu_node, "1-1": gpu_node}
    assert all(pod["spec"]["containers"][0]["resources"]["limits"][GPU] == "1" for pod in pods.values())
    assert training.finish().num_restarts == 0
    assert place.left() == ""


def test_who_wants_more_gpus_than_there_are_or_none_is_kept_off_that_node(
    bucket_data: tuple[str, Path], place: Workplace, gpu_node: str
) -> None:
    pool = PoolSettings(
        profile="gke-gpu-l4", cpu=SMALL.cpu, memory=SMALL.memory, shared_memory="64Mi", accelerator_count=4
    ).pool()
    stranger = PoolSettings(cpu=SMALL.cpu, memory=SMALL.memory, node_selector=L4).pool()
    for each, message in ((pool, f"Insufficient {GPU}"), (stranger, "untolerated taint")):
        with pytest.raises(WorkersFailed, match=f"worker 0 waited 2 s for a node: .*{message}"):
            train_in_pods(
                settings(bucket_data, 2, 1, num_workers=1), TaskSettings(each), StepLog("train"), Limits(scheduled=2.0)
            )
    assert place.pods() == {}
