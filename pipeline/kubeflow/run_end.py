"""How a run has ended, and what is told of it: for the command that follows it, and for the record that it leaves."""

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from components.errors import DataError, SettingsError
from pipeline.kubeflow import telling
from pipeline.kubeflow.client import Kubeflow
from pipeline.kubeflow.pod_logs import PodLogs
from pipeline.kubeflow.run_status import FAILED, TERMINATED, UNKNOWN, Step, outcome, was_terminated
from pipeline.kubeflow.workflow import Workflow, read_workflow


@dataclasses.dataclass(frozen=True)
class RunEnd:
    """How a run has ended.

    Attributes:
      outcome: "pushed", "refused", "failed", "terminated", or "unknown" if its tasks do not show it, or not yet.
      message: The reason, one line for people to read.
      gate: The numbers of the gate's decision, by the names of Decision in components/contracts/gate.py; empty if there
        was none, or its log is unavailable.
    """

    outcome: str
    message: str
    gate: dict[str, Any]


def end_of(run: Any, steps: Mapping[str, Step], workflow: Workflow, logs: PodLogs) -> RunEnd:
    """Returns how a run has ended.

    Args:
      run: A V2beta1Run that has ended.
      steps: Its steps; `workflow` may have more of them than the run's own list of tasks.
    """
    result = outcome(run.state, steps)
    if result == FAILED and (workflow.is_terminated or was_terminated(run)):
        result = TERMINATED
    result = result or UNKNOWN
    message = telling.of_end(result, run.run_id, run.state, steps, workflow.pods, logs)
    return RunEnd(result, message, telling.of_decision(workflow.pods, logs))


def workflow_of(kubeflow: Kubeflow, run_id: str) -> Workflow | None:
    """Returns the workflow of a run; None if this server does not show it.

    Raises:
      UnreachableError: if the server does not answer.
    """
    with contextlib.suppress(SettingsError, DataError, ValueError, KeyError, TypeError, AttributeError):
        # The API that has the states of tasks does not have their pods.
        body = kubeflow.get("/apis/v1beta1/runs/{run_id}", run_id)
        return read_workflow(json.loads(body)["pipeline_runtime"]["workflow_manifest"])
    return None
