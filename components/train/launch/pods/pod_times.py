"""How long a pod waited, started and ran, from the times that Kubernetes keeps of it. Pure functions.

Kubernetes' times have whole seconds: those of a pod are wrong by less than one second each.
"""

from typing import Any

from components.contracts import PodSeconds
from components.train.launch.pods import pod_status
from components.train.launch.pods.api_answers import seconds_of
from components.train.launch.pods.pod_status import Object


def pod_seconds(pod: Object, now: float) -> PodSeconds:
    """Returns what became of a pod's time until `now`, in seconds since 1970, or until its end.

    A pod holds its node from the moment that it is scheduled. Where a time is missing, the stage before goes on.
    """
    created = _time(pod["metadata"].get("creationTimestamp"))
    placed = pod_status.condition(pod, "PodScheduled") or {}
    scheduled = _time(placed.get("lastTransitionTime"))
    state = pod_status.container_state(pod)
    ran = state.get("terminated") or state.get("running") or {}
    started = _time(ran.get("startedAt"))
    ended = _time(ran.get("finishedAt")) or pod_status.deleted_at(pod) or now
    if scheduled is None:
        # One whose container ran has had a node since then, at the latest.
        scheduled = started
    return PodSeconds(
        waiting=_between(created, scheduled if scheduled is not None else ended),
        starting=_between(scheduled, started if started is not None else ended),
        running=_between(started, ended),
    )


def _time(text: Any) -> float | None:
    return seconds_of(text) if isinstance(text, str) else None


def _between(start: float | None, end: float) -> float:
    return 0.0 if start is None else max(0.0, end - start)
