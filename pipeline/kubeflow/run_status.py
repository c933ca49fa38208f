"""Turns what Kubeflow tells of a run into the pipeline's steps and an outcome. Pure functions."""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.display import SWEEP_STEPS
from pipeline.kubeflow.workflow import Pod

ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
PUSHED, REFUSED, FAILED, TERMINATED, UNKNOWN = "pushed", "refused", "failed", "terminated", "unknown"
ENDINGS = (PUSHED, REFUSED, FAILED, TERMINATED, UNKNOWN)
_DRIVER = "-driver"
_AGAIN = re.compile(r"-\d+(?=-driver\Z|\Z)")  # the trial of the second rung is "trial-2"
_CANCELING = ("CANCELING", "CANCELED")


@dataclasses.dataclass(frozen=True)
class Step:
    """A step of a run; its parallel tasks, and those of all rungs of a sweep, count as one step.

    Attributes:
      state: "running", "succeeded", "failed", or another of the API's states, in lower case.
      seconds: From the first start to the last end, pods included; None while it runs.
    """

    state: str
    seconds: float | None = None


def tasks_of(run: Any) -> Sequence[Any]:
    """Returns the tasks of a V2beta1Run."""
    return (run.run_details.task_details if run.run_details else None) or ()


def steps_of(tasks: Iterable[Any]) -> dict[str, Step]:
    """Returns the steps of a run that have started, in order.

    Args:
      tasks: Of the run, as the API or its workflow has them; they also include drivers, iterations and pods.
    """
    by_name: dict[str, list[Any]] = {}
    for task in tasks:
        by_name.setdefault(_AGAIN.sub("", task.display_name or ""), []).append(task)
    steps = {}
    for name in SWEEP_STEPS:  # which begin and end with those of training
        own = [task for task in by_name.get(name, ()) if task.state]
        # A driver that fails creates no task for its step.
        own += [task for task in by_name.get(name + _DRIVER, ()) if task.state == "FAILED"]
        if own:
            state = _joint_state([task.state for task in own])
            ends = [task.end_time for task in own if task.end_time and task.end_time.year > 1970]
            starts = [task.start_time for task in own if task.start_time and task.start_time.year > 1970]
            over = state != "running" and starts and ends
            steps[name] = Step(state, max(0.0, (max(ends) - min(starts)).total_seconds()) if over else None)
    return steps


def outcome(state: str, steps: Mapping[str, Step]) -> str | None:
    """Returns the outcome of a run that has ended; None if its tasks do not show it, or not yet.

    The run's state is not enough, because a run that pushes nothing has also succeeded.
    """
    if state != "SUCCEEDED":
        return FAILED
    if "push" in steps and steps["push"].state == "succeeded":
        return PUSHED
    if "gate" in steps and steps["gate"].state == "succeeded" and ("push" not in steps or _skipped(steps["push"])):
        return REFUSED
    return None


def was_terminated(run: Any) -> bool:
    """Tells whether somebody ended a run, going by its states so far."""
    history = [each.state for each in run.state_history or ()]
    return any(state in _CANCELING for state in (run.state, *history))


def is_cached(pods: Iterable[Pod], step: str) -> bool:
    """Returns whether all tasks of a step took their results from the cache."""
    own = [pod.cached for pod in pods if pod.step == step and not pod.is_driver]
    return bool(own) and all(own)


def _joint_state(states: list[str]) -> str:
    for state in ("FAILED", "CANCELED", "CANCELING", "RUNNING", "PENDING"):
        if state in states:
            return "running" if state == "PENDING" else state.lower()
    return "succeeded" if "SUCCEEDED" in states else states[0].lower()


def _skipped(step: Step) -> bool:
    return step.state not in ("running", "failed")
