"""What a launcher of pods counts, before a scripted API server: attempts that failed, and the one that did not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes_server import COMPLETE, FAILED, ScriptedKubernetes, pod
from pods_launched import launch_pods, scripted_kubernetes

from components import storage
from components.contracts import PodSeconds
from components.train.launch.lease import LostLease
from components.train.launch.usage import Usage
from components.train.settings.worker_spec import WorkerSpec


def held(index: int, phase: str, exit_code: int | None = None, until: int = 0) -> dict[str, Any]:
    """A pod that was scheduled at 15:00:00, and whose container ran from 15:00:10."""
    state: dict[str, Any] = {"running": {"startedAt": "2026-11-24T15:00:10Z"}}
    if exit_code is not None:
        times = {"startedAt": "2026-11-24T15:00:10Z", "finishedAt": f"2026-11-24T15:00:{until}Z"}
        state = {"terminated": {"exitCode": exit_code, **times}}
    placed = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-24T15:00:00Z"}
    status = {"conditions": [placed], "containerStatuses": [{"name": "worker", "state": state}]}
    return pod(index, phase, exit_code, **status)


RUNNING = ([], [held(0, "Running"), held(1, "Running")])
KILLED = ([FAILED], [held(0, "Failed", 75, 32), held(1, "Failed", 137, 30)])
DONE = ([COMPLETE], [held(0, "Succeeded", 0, 50), held(1, "Succeeded", 0, 49)])
GONE = ([FAILED], [])


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedKubernetes]:
    with scripted_kubernetes(tmp_path, monkeypatch) as scripted:
        yield scripted


def test_an_attempt_that_failed_is_lost_and_the_next_knows_what_was_spent(
    server: ScriptedKubernetes, tmp_path: Path
) -> None:
    server.frames = [[RUNNING, KILLED, KILLED, GONE], [RUNNING, DONE]]
    usage = Usage(str(tmp_path))
    assert launch_pods(tmp_path, 1, profile="gke-gpu-l4", usage=usage) == 1
    assert usage.pods == PodSeconds(starting=20.0, running=40.0 + 39.0, lost=32.0 + 30.0)
    assert Usage(str(tmp_path)).pods == usage.pods
    first, second = (
        WorkerSpec.from_json(storage.read_bytes(uri), uri)
        for job in server.created("jobs")
        for uri in [job["spec"]["template"]["spec"]["containers"][0]["args"][1]]
    )
    assert first.spent_seconds == 0.0
    assert second.spent_seconds == 31.0  # of each of two nodes


@pytest.mark.parametrize(("error", "counts"), [(KeyboardInterrupt, True), (LostLease, False)])
def test_an_attempt_that_is_interrupted_counts_unless_another_launch_goes_on_with_it(
    server: ScriptedKubernetes, tmp_path: Path, error: type[BaseException], counts: bool
) -> None:
    def check() -> None:
        if server.created("services"):
            raise error("now")

    server.frames = [[DONE]]
    usage = Usage(str(tmp_path))
    with pytest.raises(error, match="now"):
        launch_pods(tmp_path, 1, check=check, usage=usage)
    assert usage.pods == (PodSeconds(lost=99.0) if counts else PodSeconds())
