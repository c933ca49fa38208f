"""Which of a gang's pods was the cause of its end, from what Kubernetes says of them."""

from typing import Any

import pytest

from components.train.launch.pods.cause_of_end import find_cause

FAILED = {"status": {"conditions": [{"type": "FailureTarget", "status": "True", "reason": "PodFailurePolicy"}]}}


def pod(index: int, phase: str = "Running", code: int | None = None, at: int = 10, **status: Any) -> dict[str, Any]:
    """Returns a pod whose container ended with `code` at second `at`; `deleted` is when that was asked for."""
    metadata: dict[str, Any] = {"labels": {"batch.kubernetes.io/job-completion-index": str(index)}}
    if (deleted := status.pop("deleted", None)) is not None:
        metadata |= {"deletionTimestamp": f"2026-11-24T15:00:{deleted + 20:02d}Z", "deletionGracePeriodSeconds": 20}
    if code is not None:
        ended = {"exitCode": code, "finishedAt": f"2026-11-24T15:00:{at:02d}Z", "reason": status.pop("reason", "Error")}
        status["containerStatuses"] = [{"name": "worker", "state": {"terminated": ended}}]
    return {"metadata": metadata, "status": {"phase": phase, **status}}


EVICTED = {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}]}


@pytest.mark.parametrize(
    ("pods", "gone", "deleted", "cause", "how", "is_disruption"),
    [
        # Its peer has lost it.
        ([pod(0, "Failed", 75), pod(1, "Failed", 137, 9)], (), (), 1, "was killed by SIGKILL", False),
        ([pod(0, "Failed", 75), pod(1, "Failed", 1)], (), (), 1, "ended with exit code 1", False),
        (
            [pod(0, "Failed", 137, reason="OOMKilled"), pod(1)],
            (),
            (),
            0,
            "ran out of memory; increase tr",
            False,
        ),
        # Trying again would not help, whatever else happened.
        ([pod(0, "Failed", 42), pod(1, "Failed", 1)], (), (), 0, "ended with exit code 42", False),
        ([pod(0, "Failed", 143), pod(1, "Failed", 2, **EVICTED)], (), (), 1, "ended with exit code 2", False),
        # Evicted, preempted, drained.
        ([pod(0, "Failed", 75), pod(1, "Failed", 143, **EVICTED)], (), (), 1, "from its node, EvictionByEvictio", True),
        ([pod(0, "Failed", 1), pod(1, "Failed", None, **EVICTED)], (), (), 1, "was taken from its node", True),
        # Deleted, and seen to be before anything failed.
        ([pod(0, "Failed", 75), pod(1, "Failed", 137, 30, deleted=10)], (), (1,), 1, "was deleted", True),
        # Deleted and ended between two looks: before the other ended, so it was not the Job's controller.
        ([pod(0, "Failed", 75, 12), pod(1, "Failed", 143, 11, deleted=10)], (), (), 1, "was deleted", True),
        ([pod(0, "Failed", 143, 11, deleted=10)], (), (), 0, "was deleted", True),
        # The Job's controller deletes the others when one has failed: no cause, in whatever way they end.
        ([pod(0, "Failed", 75, 10), pod(1, "Failed", 143, 13, deleted=12)], (), (), 0, "exit code 75", False),
        ([pod(0, "Failed", 1, 10), pod(1, "Failed", 137, 31, deleted=11)], (), (), 0, "exit code 1", False),
        ([pod(0, "Failed", 1, 10), pod(1, deleted=11)], (1,), (), 0, "exit code 1", False),
        # Stopped from outside, both after the same step.
        ([pod(0, "Failed", 143), pod(1, "Failed", 143)], (), (), 0, "ended with exit code 143", True),
        # Removed by force: it was there, and is no more.
        ([pod(0, "Failed", 75), pod(1)], (1,), (), 1, "vanished: somebody deleted it or its node", True),
        # Gone before its end was seen.
        ([pod(0, "Failed", 75), pod(1, deleted=11, **EVICTED)], (1,), (), 1, "from its node, EvictionByEviction", True),
        # One that had ended well may be gone.
        ([pod(0, "Failed", 1), pod(1, "Succeeded", 0)], (1,), (), 0, "ended with exit code 1", False),
        # Its node did not let it in.
        (
            [pod(0, "Failed", None, **{"message": "Pod was rejected: no such device"}), pod(1)],
            (),
            (),
            0,
            "was rejected or ended by its node, Pod was rejected: no such device",
            False,
        ),
    ],
)
def test_the_cause_is_told_from_what_followed_from_it(
    pods: list[dict[str, Any]],
    gone: tuple[int, ...],
    deleted: tuple[int, ...],
    cause: int,
    how: str,
    is_disruption: bool,
) -> None:
    present = {0, 1} - set(gone)
    ending = find_cause(dict(enumerate(pods)), present, deleted, FAILED)
    assert ending.index == cause
    assert how in ending.how
    assert ending.is_disruption == is_disruption


@pytest.mark.parametrize(
    ("deleted_at", "cause", "how", "is_disruption"),
    [
        ((13, 10), 1, "was deleted", True),  # and the other one by the Job's controller
        ((9, 13), 0, "was deleted", True),
        ((13, 13), 0, "ended with its Job: too many", False),
    ],
)
@pytest.mark.parametrize("present", [(), (0,), (1,), (0, 1)])
def test_of_pods_whose_ends_nobody_saw_the_one_was_the_cause_that_was_deleted_before_their_job_failed(
    deleted_at: tuple[int, int], cause: int, how: str, is_disruption: bool, present: tuple[int, ...]
) -> None:
    failed = {**FAILED["status"]["conditions"][0], "lastTransitionTime": "2026-11-24T15:00:13Z", "message": "too many"}
    pods = {index: pod(index, deleted=at) for index, at in enumerate(deleted_at)}
    ending = find_cause(pods, present, (), {"status": {"conditions": [failed]}})
    assert (ending.index, ending.is_disruption) == (cause, is_disruption)
    assert how in ending.how


def test_a_pod_that_vanished_was_taken_from_its_node_if_its_job_says_so() -> None:
    message = "Pod agrivision/job-0-abcde has condition DisruptionTarget matching FailJob rule at index 1"
    job = {"status": {"conditions": [{**FAILED["status"]["conditions"][0], "message": message}]}}
    running = pod(0)
    running["metadata"]["name"] = "job-0-abcde"
    ending = find_cause({0: running}, (), (), job)
    assert (ending.how, ending.is_disruption) == (f"was taken from its node: {message}", True)


def test_a_deadline_that_could_not_be_moved_is_no_fault_of_the_workers() -> None:
    job = {"status": {"conditions": [{"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"}]}}
    ending = find_cause({0: pod(0, deleted=5)}, {0}, (), job)
    assert "at the Job's deadline" in ending.how
    assert ending.is_disruption
