"""Finds which pod caused the end of its gang, and whether that pod was at fault. Pure functions."""

import dataclasses
from collections.abc import Collection, Mapping

from components.train.launch.pods import pod_status
from components.train.launch.pods.api_answers import seconds_of
from components.train.launch.pods.pod_status import Object
from components.train.settings.worker_spec import EXIT_STOPPED, EXIT_TRY_AGAIN, PERMANENT

_SIGNALS = {134: "SIGABRT", 135: "SIGBUS", 137: "SIGKILL", 139: "SIGSEGV"}  # 128 + the signal's number
# Endings ranked by likelihood of being the root cause. One failure ends the other pods too: they lose their peer, or
# the Job's controller deletes them.
_PERMANENT, _DISRUPTED, _CRASHED, _DELETED, _STOPPED, _LOST_PEER = range(6)


@dataclasses.dataclass(frozen=True)
class Ending:
    """How a worker ended.

    Attributes:
      index: The pod's index in the Job.
      how: Description that follows the worker's name in a sentence.
      exit_code: Exit code of its process; None if unknown.
      rank: Rank as root cause of the gang's end; 0 is the most likely cause.
    """

    index: int
    how: str
    exit_code: int | None = None
    rank: int = _DISRUPTED

    @property
    def is_disruption(self) -> bool:
        """Whether the cluster ended the worker, by preemption, eviction or deletion, through no fault of its own."""
        return self.rank in (_DISRUPTED, _DELETED, _STOPPED)


def find_cause(seen: Mapping[int, Object], present: Collection[int], deleted: Collection[int], job: Object) -> Ending:
    """Returns the root cause of the end of a gang in which a pod has failed.

    Args:
      seen: The last known state of each pod, by index.
      present: Indices of the pods that still exist.
      deleted: Indices of the pods whose deletion was seen before anything had failed.
      job: The gang's Job.
    """
    failed = pod_status.condition(job, "FailureTarget") or pod_status.condition(job, "Failed") or {}
    if failed.get("reason") == "DeadlineExceeded":
        return Ending(0, "was ended at the Job's deadline, which could not be extended in time")
    failed_at = seconds_of(failed["lastTransitionTime"]) if "lastTransitionTime" in failed else None
    message = " ".join(str(failed.get("message") or "Kubernetes gives no reason").split())
    endings = []
    for index, pod in sorted(seen.items()):
        others = [other for place, other in seen.items() if place != index]
        is_deleted = index in deleted or _was_deleted_first(pod, others, failed_at)
        if pod_status.phase(pod) == "Failed":
            if (
                is_deleted
                or pod_status.deleted_at(pod) is None
                or not any(pod_status.phase(each) == "Failed" for each in others)
            ):
                endings.append(_ending(index, pod, is_deleted or pod_status.deleted_at(pod) is not None))
        elif pod_status.has_ended(pod):
            continue
        elif is_deleted or (index not in present and _may_be_cause(pod)):
            endings.append(_vanished(index, pod, is_deleted, message))
    unknown = Ending(0, f"ended with its Job: {message}", None, _CRASHED)
    # Of several deleted pods, the first is the cause.
    return min(
        endings, key=lambda ending: (ending.rank, pod_status.deleted_at(seen[ending.index]) or 0.0), default=unknown
    )


def _was_deleted_first(pod: Object, others: Collection[Object], failed_at: float | None) -> bool:
    """Returns whether a pod was deleted before any other ended or the Job failed; the controller only deletes later."""
    deleted_at = pod_status.deleted_at(pod)
    if deleted_at is None:
        return False
    ends = [seconds_of(ended["finishedAt"]) for other in others if (ended := pod_status.terminated(other))]
    # The controller deletes pods in the same second in which it marks their Job as failed.
    return (bool(ends) and deleted_at <= min(ends)) or (failed_at is not None and deleted_at < failed_at)


def _ending(index: int, pod: Object, is_deleted: bool) -> Ending:
    """Returns how a failed pod ended."""
    state = pod_status.terminated(pod)
    code = None if state is None else int(state["exitCode"])
    if code in PERMANENT:
        return Ending(index, f"ended with exit code {code}", code, _PERMANENT)
    if reason := _disruption(pod):
        return Ending(index, f"was taken from its node, {reason}", code, _DISRUPTED)
    if is_deleted:
        return Ending(index, "was deleted", code, _DELETED)
    if state is None:
        status = pod.get("status", {})
        reason = ": ".join(filter(None, (status.get("reason"), status.get("message")))) or "no reason given"
        return Ending(index, f"was rejected or ended by its node, {reason}", code, _CRASHED)
    if state.get("reason") == "OOMKilled":
        return Ending(index, "was killed because it ran out of memory; increase train_memory", code, _CRASHED)
    if code in _SIGNALS:
        return Ending(index, f"was killed by {_SIGNALS[code]}", code, _CRASHED)
    rank = {EXIT_STOPPED: _STOPPED, EXIT_TRY_AGAIN: _LOST_PEER}.get(code or 0, _CRASHED)
    return Ending(index, f"ended with exit code {code}", code, rank)


def _may_be_cause(pod: Object) -> bool:
    """Returns whether a pod was not simply deleted by the Job's controller after another had failed."""
    return pod_status.deleted_at(pod) is None or bool(_disruption(pod))


def _vanished(index: int, pod: Object, is_deleted: bool, message: str) -> Ending:
    """Returns how a pod ended that was gone before its end was seen.

    Args:
      index: The pod's index in the Job.
      pod: Its last known state.
      is_deleted: Whether its deletion was seen.
      message: Why its Job failed; still known when the pod is gone.
    """
    if reason := _disruption(pod):
        return Ending(index, f"was taken from its node, {reason}")
    if "DisruptionTarget" in message and str(pod["metadata"]["name"]) in message:
        return Ending(index, f"was taken from its node: {message}")
    how = "was deleted" if is_deleted else "vanished: somebody deleted it or its node"
    return Ending(index, how, None, _DELETED)


def _disruption(pod: Object) -> str:
    disruption = pod_status.condition(pod, "DisruptionTarget") or {}
    return ": ".join(filter(None, (disruption.get("reason"), disruption.get("message"))))
