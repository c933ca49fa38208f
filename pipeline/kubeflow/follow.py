"""Follows a run on Kubeflow Pipelines to its end: shows its steps and returns its result."""

import contextlib
import dataclasses
import json
import re
import time
from collections.abc import Callable
from typing import Any

from components.contracts.gate import IN_LOG, NUMBERS
from components.errors import AgrivisionError
from components.progress import Line, parse_line
from pipeline.kubeflow.client import Kubeflow
from pipeline.kubeflow.run_status import ENDED, FAILED, Pod, Step, is_cached, outcome, pods_of, steps_of

TIMEOUT = "timeout"
# How long the API may be away before we stop waiting; the run itself does not need it.
OUTAGE_SECONDS = 600
# Between two looks at the logs of the running steps.
LOOK_SECONDS = 15
# How the gate's reason begins: its decision, and the outcome of a refusal.
_DECIDED = re.compile(r"\A(push|refuse)( \([a-z_]+\))?: ")
# Polling starts fast, for runs that fail at once, and slows down.
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0
# How long after a run's end the API may take to learn of the end of its last task.
_SETTLE_SECONDS = 20


@dataclasses.dataclass(frozen=True)
class RunResult:
    """How a run ended, or how the wait for it did.

    Attributes:
      outcome: "pushed", "refused", "failed", or "timeout".
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
    while True:
        run = kubeflow.call(lambda client: client.runs.run_service_get_run(run_id), OUTAGE_SECONDS)
        steps = steps_of(run)
        changed = {name: step for name, step in steps.items() if states.get(name) != step.state}
        is_time_to_look = time.monotonic() - looked_at > LOOK_SECONDS and run.state not in ENDED
        over = any(step.seconds is not None for step in changed.values())
        pods = _pods(kubeflow, run_id) if over or is_time_to_look else []
        for name, step in changed.items():
            states[name] = step.state
            show(name, step.state if step.seconds is None else _describe(kubeflow, run_id, name, step, pods))
        if is_time_to_look:
            looked_at = time.monotonic()
            for line in _progress(kubeflow, run_id, steps, pods):
                show(line.step, line.text)
        if run.state in ENDED:
            ended_at = ended_at or time.monotonic()
            result = outcome(run)
            if result is not None or time.monotonic() - ended_at > _SETTLE_SECONDS:
                return _ending(kubeflow, run_id, run.state, result or FAILED, steps)
        elif time.monotonic() - began > timeout_seconds:
            message = f"run {run_id} is still {run.state} after {timeout_seconds / 60:g} minutes, and continues"
            return RunResult(TIMEOUT, message, _as_dict(steps, pods))
        time.sleep(max(0.2, min(pause, began + timeout_seconds - time.monotonic())))
        pause = min(1.3 * pause, _LONGEST_PAUSE_SECONDS)


def _describe(kubeflow: Kubeflow, run_id: str, name: str, step: Step, pods: list[Pod]) -> str:
    """Returns how a step ended, with the last line of its log."""
    if is_cached(pods, name):
        return "from the cache"
    text = f"{step.state} in {step.seconds:.0f} s"
    lines = [line for pod in pods if pod.step == name and not pod.cached if (line := _last_line(kubeflow, run_id, pod))]
    if len(lines) == 1 and lines[0].kind == "done":
        return f"{text}, {lines[0].seconds:.0f} s of it in the step: {lines[0].text}"
    if lines and all(line.kind == "done" for line in lines):
        return f"{text}, up to {max(line.seconds for line in lines):.0f} s of it in one of {len(lines)} tasks"
    return text


def _progress(kubeflow: Kubeflow, run_id: str, steps: dict[str, Step], pods: list[Pod]) -> list[Line]:
    """Returns the latest lines of the running steps."""
    at_work = [pod for pod in pods if pod.step in steps and steps[pod.step].state == "running" and not pod.cached]
    lines = [_last_line(kubeflow, run_id, pod) for pod in at_work]
    return [line for line in lines if line and line.kind == "progress"]


def _ending(kubeflow: Kubeflow, run_id: str, state: str, result: str, steps: dict[str, Step]) -> RunResult:
    pods = _pods(kubeflow, run_id)
    if result == FAILED:
        return RunResult(result, _failure(kubeflow, run_id, state, steps, pods), _as_dict(steps, pods))
    gates = [pod for pod in pods if pod.step == "gate"]
    lines = _lines(kubeflow, run_id, gates[-1]) if gates else []
    line = lines[-1] if lines else None
    reason = line.text if line and line.kind == "done" else "the gate's log, which has the reason, is unavailable"
    return RunResult(result, _DECIDED.sub("", reason), _as_dict(steps, pods), _numbers(lines))


def _failure(kubeflow: Kubeflow, run_id: str, state: str, steps: dict[str, Step], pods: list[Pod]) -> str:
    failed = [name for name, step in steps.items() if step.state == "failed"]
    if not failed:
        if state == "SUCCEEDED":
            return f"run {run_id} succeeded, but neither gate nor push did; is it a run of this pipeline?"
        return f"run {run_id} ended as {state}, but none of its steps failed: it was terminated, or never started"
    own = [pod for pod in pods if pod.step == failed[0] and pod.failed]
    if not own:
        return f"run {run_id} failed: {failed[0]} never got a pod; see the run's page for the reason"
    line = _last_line(kubeflow, run_id, own[-1])
    reason = f"(exit {line.exit_code}): {line.text}" if line and line.kind == "failed" else own[-1].message
    return (
        f"run {run_id} failed: {failed[0]} {reason}; its log: "
        f"kubectl -n {own[-1].namespace} logs {own[-1].name} -c main, or see the run's page"
    )


def _as_dict(steps: dict[str, Step], pods: list[Pod]) -> dict[str, dict[str, Any]]:
    return {
        name: {"state": step.state, "seconds": step.seconds, "cached": is_cached(pods, name)}
        for name, step in steps.items()
    }


def _pods(kubeflow: Kubeflow, run_id: str) -> list[Pod]:
    """Returns the pods of a run; empty if this server does not list them, as nothing depends on them."""
    with contextlib.suppress(AgrivisionError, ValueError, KeyError, TypeError):
        # The API that has the states of tasks does not have their pods.
        body = kubeflow.get("/apis/v1beta1/runs/{run_id}", run_id)
        return pods_of(json.loads(json.loads(body)["pipeline_runtime"]["workflow_manifest"]))
    return []


def _last_line(kubeflow: Kubeflow, run_id: str, pod: Pod) -> Line | None:
    """Returns the last line in our format in a step's log; None if the log is unavailable."""
    lines = _lines(kubeflow, run_id, pod)
    return lines[-1] if lines else None


def _lines(kubeflow: Kubeflow, run_id: str, pod: Pod) -> list[Line]:
    """Returns the lines in our format in a step's log; none if the log is unavailable."""
    with contextlib.suppress(AgrivisionError):
        body = kubeflow.get("/apis/v1alpha1/runs/{run_id}/nodes/{pod}/log", run_id, pod=pod.name)
        return [line for text in body.decode(errors="replace").splitlines() if (line := parse_line(text))]
    return []


def _numbers(lines: list[Line]) -> dict[str, Any]:
    """Returns the numbers that the gate logged, of those names that it may log; empty if there are none."""
    for line in reversed(lines):
        if line.text.startswith(NUMBERS):
            with contextlib.suppress(ValueError, RecursionError):
                found = json.loads(line.text.removeprefix(NUMBERS))
                return {name: found[name] for name in IN_LOG if name in found} if isinstance(found, dict) else {}
    return {}
