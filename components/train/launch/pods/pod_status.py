"""What the Kubernetes API says of a gang's pods, read out of its objects."""

from collections.abc import Mapping
from typing import Any

from components.train.launch.pods.api_answers import seconds_of
from components.train.launch.pods.pod_template import CONTAINER

Object = Mapping[str, Any]
_INDEX = "batch.kubernetes.io/job-completion-index"


def index_of(pod: Object) -> int:
    """Returns which pod of its Job it is."""
    metadata = pod["metadata"]
    return int({**metadata.get("annotations", {}), **metadata.get("labels", {})}[_INDEX])


def phase(pod: Object) -> str:
    """Returns Pending, Running, Succeeded or Failed; Unknown on a lost node."""
    return str(pod.get("status", {}).get("phase", "Pending"))


def has_ended(pod: Object) -> bool:
    """Tells whether nothing of it runs any more."""
    return phase(pod) in ("Succeeded", "Failed")


def deleted_at(pod: Object) -> float | None:
    """Returns when somebody asked for its deletion, in seconds since 1970; None if nobody has."""
    metadata = pod["metadata"]
    if "deletionTimestamp" not in metadata:
        return None
    # Kubernetes says when the time is up that the pod was given to end.
    return seconds_of(metadata["deletionTimestamp"]) - float(metadata.get("deletionGracePeriodSeconds") or 0)


def condition(thing: Object, kind: str) -> Object | None:
    """Returns a condition of a pod or Job if it is true."""
    for each in thing.get("status", {}).get("conditions") or ():
        if each["type"] == kind and each["status"] == "True":
            return dict(each)
    return None


def unscheduled(pod: Object) -> str:
    """Returns why the scheduler finds no node for it; empty if it has one, or has not been looked at."""
    for each in pod.get("status", {}).get("conditions") or ():
        if each["type"] == "PodScheduled" and each["status"] == "False":
            return str(each.get("message") or each.get("reason") or "no reason given")
    return ""


def waiting(pod: Object) -> tuple[str, str]:
    """Returns reason and message of its container's waiting; empty if it is not, or not yet."""
    state = _state(pod).get("waiting") or {}
    return str(state.get("reason", "")), str(state.get("message", ""))


def terminated(pod: Object) -> Object | None:
    """Returns how its container ended, with its `exitCode`; None if it has not, or never began."""
    state = _state(pod).get("terminated")
    return None if state is None else dict(state)


def _state(pod: Object) -> Mapping[str, Any]:
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return next((each.get("state") or {} for each in statuses if each["name"] == CONTAINER), {})
