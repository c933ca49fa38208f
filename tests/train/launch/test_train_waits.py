"""What a launcher waits for, and for how long: each wait ends with the reason that Kubernetes gives."""

from typing import Any

import pytest

from components.progress import StepLog
from components.train.launch.pods.pod_waits import Limits, PodWaits
from components.train.settings.worker_spec import WorkersFailed

JOB = {"metadata": {"name": "job"}, "spec": {}}
SOON = Limits(created=0.0, scheduled=0.0, started=0.0, faulty=0.0, events=0.0)


def pending(**status: Any) -> dict[str, Any]:
    metadata = {"name": "job-0-abcde", "labels": {"batch.kubernetes.io/job-completion-index": "0"}}
    return {"metadata": metadata, "status": {"phase": "Pending", **status}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return pending(containerStatuses=[{"name": "worker", "state": state}])


UNSCHEDULABLE = pending(
    conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: no nvidia.com/gpu"}]
)


@pytest.mark.parametrize(
    ("pods", "event", "message"),
    [
        (
            [],
            'FailedCreate: pods "job-0" is forbidden',
            '0 of 1 worker pods .* 0 s: FailedCreate: pods "job-0" is f',
        ),
        ([], "", "0 of 1 worker pods were created within 0 s: Kubernetes gives no reason"),
        ([UNSCHEDULABLE], "", "worker 0 waited 0 s for a node: 0/1 nodes are available: no nvidia.com/gpu; is there"),
        (
            [waiting("ImagePullBackOff", "Back-off\npulling x")],
            "",
            "worker 0 cannot start: ImagePullBackOff: Back-off ",
        ),
        ([waiting("InvalidImageName", "bad")], "", "worker 0 cannot start: InvalidImageName: bad"),
        ([waiting("ContainerCreating")], "FailedMount: no claim", "did not start within 0 s: FailedMount: no claim"),
        ([pending()], "", "worker 0 did not start within 0 s: Kubernetes gives no reason"),
    ],
)
def test_a_wait_that_is_too_long_ends_with_the_reason(pods: list[Any], event: str, message: str) -> None:
    waits = PodWaits(SOON, StepLog("train"), lambda name: event)

    def look_twice() -> None:  # the clock of each wait begins with the first look
        waits.check(JOB, pods, 1)
        waits.check(JOB, pods, 1)

    with pytest.raises(WorkersFailed, match=message):
        look_twice()


@pytest.mark.parametrize(
    ("job", "pods", "said"),
    [
        (JOB, [UNSCHEDULABLE], ["worker 0 waits for a node: 0/1 nodes are available: no nvidia.com/gpu"]),
        (JOB, [waiting("ErrImagePull", "not found")], ["worker 0 does not start yet: ErrImagePull: not found"]),
        (JOB, [waiting("ContainerCreating")], []),
        ({**JOB, "spec": {"suspend": True}}, [], ["job waits in its queue"]),
    ],
)
def test_what_is_waited_for_is_said_once(
    job: dict[str, Any], pods: list[Any], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    waits = PodWaits(Limits(), StepLog("train"), lambda name: "")
    for _ in range(3):
        waits.check(job, pods, 1)
    assert capsys.readouterr().out.splitlines() == [f"train | {line}" for line in said]


def test_an_image_that_can_never_be_had_is_not_waited_for() -> None:
    with pytest.raises(WorkersFailed, match="worker 0 cannot start: ErrImageNeverPull"):
        PodWaits(Limits(), StepLog("train"), lambda name: "").check(JOB, [waiting("ErrImageNeverPull")], 1)


def test_why_a_queue_lets_no_worker_go_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    waits = PodWaits(Limits(), StepLog("train"), {"job": "Pending: insufficient quota for cpu"}.__getitem__)
    for _ in range(3):
        waits.check({**JOB, "spec": {"suspend": True}}, [], 1)
    assert capsys.readouterr().out == "train | job waits in its queue: Pending: insufficient quota for cpu\n"
