"""What Kubeflow Pipelines' API says of a run, as the pipeline's steps and as what came of it. Pure functions."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.display import STEPS

ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
PUSHED, REFUSED, FAILED = "pushed", "refused", "failed"
_DRIVER = "-driver"
# The name of a step's pod in the workflow: "<workflow>(0).root(0).for-loop-1(0).….shard(0).executor(1)". The numbers
# are those of attempts, and are not there where there can be one only.
_POD = re.compile(r".*\.(?P<step>[a-z]+)(\(\d+\))?\.executor(\(\d+\))?")


@dataclasses.dataclass(frozen=True)
class Step:
    """A step of a run; the tasks that work side by side are one.

    Attributes:
      state: "running", "succeeded", "failed", or another of the API's, in small letters.
      seconds: From the first start to the last end, pods included; None while it runs.
    """

    state: str
    seconds: float | None = None


@dataclasses.dataclass(frozen=True)
class Pod:
    """The pod of a step, or the place of one that was not needed.

    Attributes:
      cached: There was none, because Kubeflow had the result of an equal task.
      message: What Kubernetes or Argo says of its end.
      failed: It ended badly; another attempt may have followed.
    """

    step: str
    name: str
    namespace: str
    started_at: str
    cached: bool
    failed: bool
    message: str


def steps_of(run: Any) -> dict[str, Step]:
    """Returns the steps of a run that have begun, in order.

    Args:
      run: A V2beta1Run. Beside our steps its tasks are drivers, iterations and pods.
    """
    tasks = list(_tasks(run))
    steps = {}
    for name in STEPS:
        own = [task for task in tasks if task.display_name == name and task.state]
        # A driver that fails leaves no task behind it.
        own += [task for task in tasks if task.display_name == name + _DRIVER and task.state == "FAILED"]
        if own:
            state = _joint_state([task.state for task in own])
            ends = [task.end_time for task in own if task.end_time and task.end_time.year > 1970]
            starts = [task.start_time for task in own if task.start_time and task.start_time.year > 1970]
            over = state != "running" and starts and ends
            steps[name] = Step(state, max(0.0, (max(ends) - min(starts)).total_seconds()) if over else None)
    return steps


def outcome(run: Any) -> str | None:
    """Returns what came of a run that has ended; None if that cannot be told from what the API says so far.

    A run that pushes nothing has succeeded all the same, so its state does not tell.
    """
    if run.state != "SUCCEEDED":
        return FAILED
    steps = steps_of(run)
    if "push" in steps and steps["push"].state == "succeeded":
        return PUSHED
    if "gate" in steps and steps["gate"].state == "succeeded" and ("push" not in steps or _skipped(steps["push"])):
        return REFUSED
    return None


def pods_of(workflow: Mapping[str, Any]) -> list[Pod]:
    """Returns the pods of the steps, in the order of their start.

    Args:
      workflow: Of Argo, which Kubeflow runs a pipeline as.
    """
    name = workflow["metadata"]["name"]
    namespace = workflow["metadata"].get("namespace", "")
    pods = []
    for node in workflow.get("status", {}).get("nodes", {}).values():
        match = _POD.fullmatch(node["name"])
        # The attempts of a step are beneath a node that stands for all of them.
        if match is None or match["step"] not in STEPS or node.get("type") not in ("Pod", "Skipped"):
            continue
        pods.append(
            Pod(
                step=match["step"],
                # As Argo names pods since 3.4.
                name=f"{name}-{node.get('templateName', '')}-{node['id'].rpartition('-')[2]}",
                namespace=namespace,
                started_at=node.get("startedAt") or "",
                cached=node["type"] == "Skipped",
                failed=node.get("phase") in ("Failed", "Error"),
                message=" ".join(node.get("message", "").split()),
            )
        )
    return sorted(pods, key=lambda pod: (pod.started_at, pod.name))


def is_cached(pods: list[Pod], step: str) -> bool:
    """Tells whether all tasks of a step had their results taken from the cache."""
    own = [pod.cached for pod in pods if pod.step == step]
    return bool(own) and all(own)


def _tasks(run: Any) -> Iterator[Any]:
    yield from (run.run_details.task_details if run.run_details else None) or ()


def _joint_state(states: list[str]) -> str:
    for state in ("FAILED", "CANCELED", "CANCELING", "RUNNING", "PENDING"):
        if state in states:
            return "running" if state == "PENDING" else state.lower()
    return "succeeded" if "SUCCEEDED" in states else states[0].lower()


def _skipped(step: Step) -> bool:
    return step.state not in ("running", "failed")
