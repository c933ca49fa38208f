"""What became of a pod's time, by what Kubernetes keeps of it; and the sum over attempts and launches."""

from pathlib import Path
from typing import Any

import pytest

from components.contracts import PodSeconds
from components.errors import DataError
from components.train.launch.lease import LostLease
from components.train.launch.pods.api_answers import seconds_of
from components.train.launch.pods.pod_times import pod_seconds
from components.train.launch.usage import Usage


def at(second: int) -> str:
    return f"2026-11-24T15:{second // 60:02}:{second % 60:02}Z"


NOW = seconds_of(at(300))


def a_pod(
    created: int | None = 0,
    scheduled: int | None = None,
    started: int | None = None,
    ended: int | None = None,
    deleted: int | None = None,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {} if created is None else {"creationTimestamp": at(created)}
    if deleted is not None:
        metadata |= {"deletionTimestamp": at(deleted + 30), "deletionGracePeriodSeconds": 30}
    placed = {"type": "PodScheduled", "status": "False", "lastTransitionTime": at(1)}
    if scheduled is not None:
        placed |= {"status": "True", "lastTransitionTime": at(scheduled)}
    state: dict[str, Any] = {"waiting": {"reason": "ContainerCreating"}}
    if started is not None:
        state = {"running": {"startedAt": at(started)}}
    if ended is not None:
        state = {"terminated": {"exitCode": 0, "startedAt": at(started or 0), "finishedAt": at(ended)}}
    return {
        "metadata": metadata,
        "status": {"conditions": [placed], "containerStatuses": [{"name": "worker", "state": state}]},
    }


@pytest.mark.parametrize(
    ("pod", "waiting", "starting", "running"),
    [
        (a_pod(), 300.0, 0.0, 0.0),  # no node yet
        (a_pod(scheduled=40), 40.0, 260.0, 0.0),  # pulls its image
        (a_pod(scheduled=40, started=60), 40.0, 20.0, 240.0),
        (a_pod(scheduled=40, started=60, ended=200), 40.0, 20.0, 140.0),
        (a_pod(scheduled=40, deleted=100), 40.0, 60.0, 0.0),  # before it ran
        (a_pod(scheduled=40, started=60, deleted=100), 40.0, 20.0, 40.0),  # and its end was not seen
        (a_pod(scheduled=40, started=60, ended=90, deleted=80), 40.0, 20.0, 30.0),
        (a_pod(started=60, ended=90), 60.0, 0.0, 30.0),  # nobody said when it got its node
        (a_pod(created=None, scheduled=40, started=60, ended=90), 0.0, 20.0, 30.0),
        (a_pod(scheduled=60, started=59, ended=90), 60.0, 0.0, 31.0),  # clocks that differ
        ({"metadata": {}, "status": {}}, 0.0, 0.0, 0.0),
    ],
)
def test_a_pod_is_paid_for_from_when_it_has_a_node_to_its_end(
    pod: dict[str, Any], waiting: float, starting: float, running: float
) -> None:
    assert pod_seconds(pod, NOW) == PodSeconds(waiting=waiting, starting=starting, running=running)


def test_attempts_that_failed_count_as_lost_and_the_sum_outlives_the_launch(tmp_path: Path) -> None:
    first = Usage(str(tmp_path))
    first.add(PodSeconds(waiting=5.0, starting=2.0, running=10.0), completed=False)
    again = Usage(str(tmp_path))
    again.add(PodSeconds(starting=1.0, running=20.0), completed=True)
    assert Usage(str(tmp_path)).pods == PodSeconds(waiting=5.0, starting=1.0, running=20.0, lost=12.0)


def test_an_interrupted_attempt_counts_and_one_that_another_launch_took_over_does_not(tmp_path: Path) -> None:
    usage = Usage(str(tmp_path))
    with pytest.raises(KeyboardInterrupt, match="now"), usage.timed():
        raise KeyboardInterrupt("now")
    lost = usage.pods.lost
    assert lost > 0
    with pytest.raises(LostLease, match="gone"), usage.timed():
        raise LostLease("gone")
    assert usage.pods.lost == lost
    with usage.timed() as attempt:
        attempt.completed = True
    assert usage.pods.running > 0


def test_a_damaged_sum_is_refused_with_the_way_out(tmp_path: Path) -> None:
    Usage(str(tmp_path)).add(PodSeconds(running=1.0), completed=True)
    path = tmp_path / "spent.json"
    path.write_bytes(path.read_bytes().replace(b'"running": 1.0', b'"running": 0.0'))
    with pytest.raises(DataError, match=r"spent\.json .*checksum does not match.*or remove it"):
        Usage(str(tmp_path))
