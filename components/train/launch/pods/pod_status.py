"""Reads the status of a gang's pods from Kubernetes API objects."""

from collections.abc import Mapping
from typing import Any

from components.train.launch.pods.api_answers import seconds_of
from components.train.launch.pods.pod_template import CONTAINER

Object = Mapping[str, Any]
_INDEX = "batch.kubernetes.io/job-completion-index"


def index_of(pod: Object) -> int:
    """Returns the pod's index in its Job."""
    metadata = pod["metadata"]
    return int({**metadata.get("annotations", {}), **metadata.get("labels", {})}[_INDEX])


def phase(pod: Object) -> str:
    """Returns Pending, Running, Succeeded or Failed; Unknown on a lost node."""
    return str(pod.get("status", {}).get("phase", "Pending"))


def has_ended(pod: Object) -> bool:
    """Returns whether nothing in the pod runs any more."""
    return phase(pod) in ("Succeeded", "Failed")


def deleted_at(pod: Object) -> float | None:
    """Returns when the pod's deletion was requested, in seconds since 1970; None if it was not."""
    metadata = pod["metadata"]
    if "deletionTimestamp" not in metadata:
        return None
    # The deletion timestamp is the end of the grace period.
    return seconds_of(metadata["deletionTimestamp"]) - float(metadata.get("deletionGracePeriodSeconds") or 0)


def condition(thing: Object, kind: str) -> Object | None:
    """Returns a condition of a pod or Job; None unless it is true."""
    for each in thing.get("status", {}).get("conditions") or ():
        if each["type"] == kind and each["status"] == "True":
            return dict(each)
    return None


def unscheduled(pod: Object) -> str:
    """Returns why the scheduler finds no node for the pod; empty if it has one, or was not considered yet."""
    for each in pod.get("status", {}).get("conditions") or ():
        if each["type"] == "PodScheduled" and each["status"] == "False":
            return str(each.get("message") or each.get("reason") or "no reason given")
    return ""


def waiting(pod: Object) -> tuple[str, str]:
    """Returns the reason and message of the pod's waiting container; empty if it does not wait, or has no state yet."""
    state = container_state(pod).get("waiting") or {}
    return str(state.get("reason", "")), str(state.get("message", ""))


def terminated(pod: Object) -> Object | None:
    """Returns how the pod's container ended, with its `exitCode`; None if it has not ended, or never started."""
    state = container_state(pod).get("terminated")
    return None if state is None else dict(state)


def container_state(pod: Object) -> Mapping[str, Any]:
    """Returns the state of the worker's container, `waiting`, `running` or `terminated`; empty if it has none yet."""
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return next((each.get("state") or {} for each in statuses if each["name"] == CONTAINER), {})
