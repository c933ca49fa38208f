"""Follows a run on Kubeflow Pipelines to its end: shows its steps and returns its result."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from components.errors import AgrivisionError, UnreachableError
from pipeline.kubeflow import telling
from pipeline.kubeflow.client import Kubeflow
from pipeline.kubeflow.pod_logs import PodLogs
from pipeline.kubeflow.run_end import end_of, workflow_of
from pipeline.kubeflow.run_status import (
    ENDED,
    FAILED,
    Step,
    is_cached,
    outcome,
    steps_of,
    tasks_of,
)
from pipeline.kubeflow.workflow import Pod, Workflow

TIMEOUT = "timeout"
# How long the API may be away before we stop waiting; the run itself does not need it.
OUTAGE_SECONDS = 600
# Between two looks at the pods and logs of the running steps.
LOOK_SECONDS = 15
# Polling starts fast, for runs that fail at once, and slows down.
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0
# How long after a run's end the API may take to learn of the end of its last task.
SETTLE_SECONDS = 20
# Kubeflow's defaults try each level of a pipeline three times, so a step 81 times; a pod that Kubernetes has refused so
# often will not be admitted.
_MOST_REFUSALS = 3
_TERMINATE_SECONDS = 10


@dataclasses.dataclass(frozen=True)
class RunResult:
    """How a run ended, or how the wait for it did.

    Attributes:
      outcome: "pushed", "refused", "failed", "terminated", "unknown", or "timeout".
      message: The reason, one line for people to read.
      steps: By name: state, seconds, and whether the result came from the cache.
      gate: The numbers of the gate's decision, by the names of Decision in components/contracts/gate.py; empty if there
        was none, or its log is unavailable.
    """

    outcome: str
    message: str
    steps: dict[str, dict[str, Any]]
    gate: dict[str, Any] = dataclasses.field(default_factory=dict)


def follow(kubeflow: Kubeflow, run_id: str, timeout_seconds: float, echo: Callable[[str], None]) -> RunResult:
    """Waits for a run to end; shows each step's start, progress and end.

    A run for one of whose steps Kubernetes admits no pod is terminated.

    Raises:
      AgrivisionError: if the API is away for longer than OUTAGE_SECONDS, or no longer accepts the token.
    """
    began = looked_at = time.monotonic()
    shown: dict[str, str] = {}
    pause = _FIRST_PAUSE_SECONDS
    ended_at: float | None = None

    def show(name: str, text: str) -> None:
        if shown.get(name) != text:
            shown[name] = text
            echo(f"[{time.monotonic() - began:6.0f} s] {name:<9} {text}")

    states: dict[str, str] = {}
    workflow = Workflow()
    logs = PodLogs(kubeflow, run_id)
    while True:
        run = kubeflow.call(lambda client: client.runs.run_service_get_run(run_id), OUTAGE_SECONDS)
        steps = steps_of(tasks_of(run))
        has_ended = run.state in ENDED
        is_time_to_look = time.monotonic() - looked_at > LOOK_SECONDS and not has_ended
        if is_time_to_look or has_ended or (not workflow.is_packed and _has_step_ended(steps, states)):
            with contextlib.suppress(UnreachableError):  # a run is followed without it
                workflow = workflow_of(kubeflow, run_id) or workflow
        if workflow.is_packed:
            steps = steps_of(workflow.tasks)
        for name, step in steps.items():
            if states.get(name) != step.state:
                states[name] = step.state
                is_over = step.seconds is not None
                show(name, telling.of_step(name, step, workflow.pods, logs) if is_over else step.state)
        if is_time_to_look:
            looked_at = time.monotonic()
            for name, text in telling.of_work(steps, workflow.pods, logs):
                show(name, text)
            if pod := _refused(workflow.pods):
                return _without_a_pod(kubeflow, run_id, pod, _as_dict(steps, workflow.pods))
        if has_ended:
            ended_at = ended_at or time.monotonic()
            result = outcome(run.state, steps)
            if result is not None or time.monotonic() - ended_at > SETTLE_SECONDS:
                end = end_of(run, steps, workflow, logs)
                return RunResult(end.outcome, end.message, _as_dict(steps, workflow.pods), end.gate)
        elif time.monotonic() - began > timeout_seconds:
            message = f"run {run_id} is still {run.state} after {timeout_seconds / 60:g} minutes, and continues"
            return RunResult(TIMEOUT, message, _as_dict(steps, workflow.pods))
        time.sleep(max(0.2, min(pause, began + timeout_seconds - time.monotonic())))
        pause = min(1.3 * pause, _LONGEST_PAUSE_SECONDS)


def _has_step_ended(steps: Mapping[str, Step], states: Mapping[str, str]) -> bool:
    return any(step.seconds is not None and states.get(name) != step.state for name, step in steps.items())


def _refused(pods: Sequence[Pod]) -> Pod | None:
    """Returns the last pod of a step that got none, and was refused often enough."""
    for pod in reversed(pods):
        own = [each for each in pods if (each.step, each.is_driver) == (pod.step, pod.is_driver)]
        if pod.refused and len(own) >= _MOST_REFUSALS and all(each.refused for each in own):
            return pod
    return None


def _without_a_pod(kubeflow: Kubeflow, run_id: str, pod: Pod, steps: dict[str, dict[str, Any]]) -> RunResult:
    message = f"run {run_id} failed: {pod.step} gets no pod: {pod.message}"
    try:
        kubeflow.call(lambda client: client.runs.run_service_terminate_run(run_id), _TERMINATE_SECONDS)
        return RunResult(FAILED, f"{message}; the run is terminated, as Kubeflow would go on trying", steps)
    except AgrivisionError as error:
        return RunResult(FAILED, f"{message}; the run could not be terminated and goes on trying ({error})", steps)


def _as_dict(steps: Mapping[str, Step], pods: Sequence[Pod]) -> dict[str, dict[str, Any]]:
    return {
        name: {"state": step.state, "seconds": step.seconds, "cached": is_cached(pods, name)}
        for name, step in steps.items()
    }
