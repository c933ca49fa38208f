"""Turns the Kubeflow Pipelines API's view of a run into the pipeline's steps and an outcome. Pure functions."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.display import STEPS

ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
PUSHED, REFUSED, FAILED = "pushed", "refused", "failed"
_DRIVER = "-driver"
# The name of a step's pod in the workflow: "<workflow>(0).root(0).for-loop-1(0).….shard(0).executor(1)". The numbers
# count attempts, and are absent where there can be only one.
_POD = re.compile(r".*\.(?P<step>[a-z]+)(\(\d+\))?\.executor(\(\d+\))?")


@dataclasses.dataclass(frozen=True)
class Step:
    """A step of a run; its parallel tasks count as one step.

    Attributes:
      state: "running", "succeeded", "failed", or another of the API's states, in lower case.
      seconds: From the first start to the last end, pods included; None while it runs.
    """

    state: str
    seconds: float | None = None


@dataclasses.dataclass(frozen=True)
class Pod:
    """The pod of a step, or a placeholder for one that was not needed.

    Attributes:
      cached: No pod ran, because Kubeflow had the result of an equal task.
      failed: The pod failed; another attempt may have followed.
      message: How the pod ended, as reported by Kubernetes or Argo.
    """

    step: str
    name: str
    namespace: str
    started_at: str
    cached: bool
    failed: bool
    message: str


def steps_of(run: Any) -> dict[str, Step]:
    """Returns the steps of a run that have started, in order.

    Args:
      run: A V2beta1Run. Its tasks also include drivers, iterations and pods.
    """
    tasks = list(_tasks(run))
    steps = {}
    for name in STEPS:
        own = [task for task in tasks if task.display_name == name and task.state]
        # A driver that fails creates no task for its step.
        own += [task for task in tasks if task.display_name == name + _DRIVER and task.state == "FAILED"]
        if own:
            state = _joint_state([task.state for task in own])
            ends = [task.end_time for task in own if task.end_time and task.end_time.year > 1970]
            starts = [task.start_time for task in own if task.start_time and task.start_time.year > 1970]
            over = state != "running" and starts and ends
            steps[name] = Step(state, max(0.0, (max(ends) - min(starts)).total_seconds()) if over else None)
    return steps


def outcome(run: Any) -> str | None:
    """Returns the outcome of a run that has ended; None if the API does not show it yet.

    The run's state is not enough, because a run that pushes nothing has also succeeded.
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
    """Returns the pods of the steps, in the order in which they started.

    Args:
      workflow: The Argo workflow as which Kubeflow runs the pipeline.
    """
    name = workflow["metadata"]["name"]
    namespace = workflow["metadata"].get("namespace", "")
    pods = []
    for node in workflow.get("status", {}).get("nodes", {}).values():
        match = _POD.fullmatch(node["name"])
        # The attempts of a step are under one parent node.
        if match is None or match["step"] not in STEPS or node.get("type") not in ("Pod", "Skipped"):
            continue
        pods.append(
            Pod(
                step=match["step"],
                # Argo has named pods this way since 3.4.
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
    """Returns whether all tasks of a step took their results from the cache."""
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
