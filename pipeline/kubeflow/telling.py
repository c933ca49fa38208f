"""What is told of a run: of steps at work, of steps that are over, and of its end."""

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from components.contracts.gate import IN_LOG, NUMBERS
from components.progress import Line
from pipeline.kubeflow.pod_logs import PodLogs, command
from pipeline.kubeflow.run_status import FAILED, TERMINATED, UNKNOWN, Step, is_cached
from pipeline.kubeflow.workflow import Pod

_SOON = ("", "PodInitializing", "ContainerCreating")  # what every pod waits for
_MOST_LOGS = 8  # that are read for one look at the steps at work
# How the gate's reason begins: its decision, and the outcome of a refusal.
_DECIDED = re.compile(r"\A(push|refuse)( \([a-z_]+\))?: ")


def of_step(name: str, step: Step, pods: Sequence[Pod], logs: PodLogs) -> str:
    """Returns how a step ended, with the last line of its log."""
    if is_cached(pods, name):
        return "from the cache"
    text = f"{step.state} in {step.seconds:.0f} s"
    own = [pod for pod in pods if pod.step == name and not pod.cached and not pod.is_driver]
    lines = [line for pod in own if (line := logs.last_line(pod))]
    if len(lines) == 1 and lines[0].kind == "done":
        return f"{text}, {lines[0].seconds:.0f} s of it in the step: {lines[0].text}"
    if lines and all(line.kind == "done" for line in lines):
        return f"{text}, up to {max(line.seconds for line in lines):.0f} s of it in one of {len(lines)} tasks"
    return text


def of_work(steps: Mapping[str, Step], pods: Sequence[Pod], logs: PodLogs) -> list[tuple[str, str]]:
    """Returns what the tasks of running steps are at, as (task, text); the last of a task counts."""
    said = []
    for pod in [pod for pod in pods if _state(steps, pod) == "running"][-_MOST_LOGS:]:
        if pod.refused:
            said.append((pod.step, f"gets no pod: {pod.message}"))
        elif pod.waiting and pod.message not in _SOON:
            said.append((pod.step, f"waits for its pod: {pod.message}"))
        elif pod.running and not pod.is_driver:
            line = logs.last_line(pod)
            if line is None and logs.stays_silent(pod):
                said.append((pod.step, f"running; for what it says: {command(pod)} -f"))
            elif line is not None and line.kind == "progress":
                said.append((line.step, line.text))
    return said


def of_end(result: str, run_id: str, state: str, steps: Mapping[str, Step], pods: Sequence[Pod], logs: PodLogs) -> str:
    """Returns the reason for the outcome of a run, one line for people to read."""
    if result == TERMINATED:
        return f"run {run_id} was terminated"
    if result == UNKNOWN:
        return (
            f"run {run_id} has {state.lower()}, but whether it has pushed a model is unknown: Kubeflow tells neither "
            "of its gate nor of its push; see the run's page, and production.json beneath models_uri"
        )
    if result == FAILED:
        return _failure(run_id, state, steps, pods, logs)
    line = next(reversed(_of_gate(pods, logs)), None)
    reason = line.text if line and line.kind == "done" else "the gate's log, which has the reason, is unavailable"
    return _DECIDED.sub("", reason)


def of_decision(pods: Sequence[Pod], logs: PodLogs) -> dict[str, Any]:
    """Returns the numbers that the gate logged, of those names that it may log; empty if there are none."""
    for line in reversed(_of_gate(pods, logs)):
        if line.text.startswith(NUMBERS):
            with contextlib.suppress(ValueError, RecursionError):
                found = json.loads(line.text.removeprefix(NUMBERS))
                return {name: found[name] for name in IN_LOG if name in found} if isinstance(found, dict) else {}
    return {}


def _of_gate(pods: Sequence[Pod], logs: PodLogs) -> list[Line]:
    gates = [pod for pod in pods if pod.step == "gate" and not pod.is_driver]
    return logs.lines(gates[-1]) if gates else []


def _failure(run_id: str, state: str, steps: Mapping[str, Step], pods: Sequence[Pod], logs: PodLogs) -> str:
    failed = [name for name, step in steps.items() if step.state == "failed"]
    if not failed:
        return f"run {run_id} ended as {state}, but none of its steps failed; did it ever start? See the run's page"
    own = sorted(
        (pod for pod in pods if pod.step == failed[0] and pod.failed),
        key=lambda pod: (not pod.is_driver, pod.started_at),
    )
    if not own:
        return f"run {run_id} failed: {failed[0]} never got a pod; see the run's page for the reason"
    pod = own[-1]
    if pod.refused:
        return f"run {run_id} failed: {failed[0]} gets no pod: {pod.message}"
    line = logs.last_line(pod)
    reason = f"(exit {line.exit_code}): {line.text}" if line and line.kind == "failed" else pod.message
    return f"run {run_id} failed: {failed[0]} {reason}; its log: {command(pod)}, or see the run's page"


def _state(steps: Mapping[str, Step], pod: Pod) -> str:
    return steps[pod.step].state if pod.step in steps else "running" if pod.is_driver else ""
