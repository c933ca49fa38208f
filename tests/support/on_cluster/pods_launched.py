"""A training launched in pods before a scripted API server, whose answers are looked for without pauses."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kubernetes_server import ScriptedKubernetes
from worker_specs import changed, spec_in

from components import retrying
from components.environment import WorkerSettings
from components.progress import StepLog
from components.train.launch.launch_dir import launch_dir
from components.train.launch.pods import attempt
from components.train.launch.pods.api import Kubernetes
from components.train.launch.pods.launcher import WorkerPods
from components.train.launch.pods.pod_waits import Limits
from components.train.launch.pods.task_config import TaskSettings
from components.train.launch.usage import Usage
from components.train.settings.node_pools import PoolSettings


@contextlib.contextmanager
def scripted_kubernetes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedKubernetes]:
    """Yields the server that KUBECONFIG names; the launcher does not pause between two looks at it."""
    monkeypatch.setattr(retrying, "_FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(attempt, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(attempt, "_SETTLE_SECONDS", 0.1)
    with ScriptedKubernetes() as scripted:
        monkeypatch.setenv("KUBECONFIG", str(scripted.write_kubeconfig(folder)))
        yield scripted


def launch_pods(
    root: Path,
    max_restarts: int = 0,
    cpu: str = "",
    limits: Limits | None = None,
    check: Callable[[], None] = lambda: None,
    queue: str = "",
    profile: str = "cpu",
    usage: Usage | None = None,
) -> int:
    """Trains with two workers in pods; returns how often they were started again.

    Args:
      root: Where the spec, its dataset and the logs are.
      max_restarts, cpu, queue, profile: Settings of the training and its pods.
      limits: See WorkerPods.
      check: Called at each look; whatever it raises ends the launch.
      usage: Takes what the pods used.
    """
    task = TaskSettings(PoolSettings(cpu=cpu).pool(), profile=profile)
    cluster = WorkerSettings(namespace="agrivision", image="image", queue=queue)
    pods = WorkerPods(Kubernetes(), task, cluster, 2, ("step", "uid"), limits)
    spec = changed(spec_in(root), max_restarts=max_restarts)
    assert (pods.profile, pods.num_nodes(spec.settings)) == (profile, 2)
    with launch_dir(str(root / "logs")) as directory:
        return pods.launch(spec, directory, StepLog("train"), check, usage)
