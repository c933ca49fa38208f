"""Makes the record of a run on Kubeflow Pipelines: from its tasks and pods, the gate's log, the training's receipt."""

import contextlib
import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from components import storage
from components.contracts import RecordedOutcome, RecordedState, RunCost, RunRecord, StepRecord, TrainingReceipt
from components.cost.prices import Prices
from components.errors import DataError, SettingsError
from components.registry.layout import version_uri
from components.run_records.last_step import document_time, gate_from_numbers
from components.run_records.run_name import commit_of, parse_run_name
from pipeline.kubeflow.client import Kubeflow
from pipeline.kubeflow.past_runs import Versions
from pipeline.kubeflow.pod_logs import PodLogs
from pipeline.kubeflow.run_end import end_of, workflow_of
from pipeline.kubeflow.run_status import Step, is_cached, steps_of, tasks_of
from pipeline.kubeflow.workflow import Pod, Workflow
from pipeline.run_records.record_cost import cost_of_run, worker_seconds
from pipeline.run_records.reports import data_report_uri

# After this, what is not there any more will not come: pods and their logs are removed.
_LAST_HOPE = datetime.timedelta(days=1)


def record_of_run(
    kubeflow: Kubeflow,
    run: Any,
    data_root: str,
    known: RunRecord | None,
    versions: Versions,
    prices: Prices,
    now: datetime.datetime,
    warn: Callable[[str], None],
) -> RunRecord:
    """Returns the record of a run that has ended.

    Args:
      run: A V2beta1Run with its tasks, or without them if Kubeflow has lost those.
      data_root: Of the run.
      known: What its last step has left; None if it left nothing.
      now: With which it is decided whether more can still be hoped for.
      warn: Takes one line for each thing that is left out.

    Raises:
      UnreachableError: if the API or a bucket does not answer.
    """
    workflow = workflow_of(kubeflow, run.run_id) or Workflow()
    steps = steps_of(tasks_of(run))
    if workflow.is_packed or not steps:
        steps = steps_of(workflow.tasks)
    end = end_of(run, steps, workflow, PodLogs(kubeflow, run.run_id))
    gate = known.gate if known and known.gate else gate_from_numbers(end.gate)
    training_id = known.training_id if known and known.training_id else str(end.gate.get("training_id") or "")
    receipt = _receipt(data_root, training_id)
    name = parse_run_name(run.display_name or "")
    version, images = versions.of(run)
    recorded = step_records(steps, workflow.pods, images, receipt)
    finished = _time(run.finished_at) or _last_end(run) or _time(run.created_at)
    outcome = RecordedOutcome(end.outcome)
    if outcome is RecordedOutcome.UNKNOWN and known:
        outcome = known.outcome
    model_version = known.model_version if known else None
    manifest_sha256 = (known.manifest_sha256 if known else "") or (receipt.manifest_sha256 if receipt else "")
    has_decided = "gate" in steps and steps["gate"].state == "succeeded"
    is_settled = outcome is not RecordedOutcome.UNKNOWN and (gate is not None or not has_decided)
    return RunRecord(
        run_id=run.run_id,
        name=run.display_name or "",
        pipeline_version=version or name.version,
        trigger_key=name.trigger_key,
        is_complete=is_settled or (finished is not None and now - finished > _LAST_HOPE),
        state=_state(run.state, outcome),
        outcome=outcome,
        reason=end.message if end.outcome != RecordedOutcome.UNKNOWN or known is None else known.reason,
        gate=gate,
        macro_f1=gate.candidate_macro_f1 if gate else None,
        macro_f1_interval=gate.candidate_interval if gate else None,
        steps=recorded,
        cost=_cost(recorded, receipt, prices, run.run_id, warn),
        commit=commit_of(version) or name.commit,
        manifest_sha256=manifest_sha256,
        training_id=training_id,
        model_version=model_version,
        links=_links(kubeflow, run, data_root, manifest_sha256, model_version),
        started=document_time(started) if (started := _time(run.created_at)) else None,
        ended=document_time(finished or now),
    )


def step_records(
    steps: Mapping[str, Step], pods: Sequence[Pod], images: Mapping[str, str], receipt: TrainingReceipt | None
) -> dict[str, StepRecord]:
    """Returns the steps of a run, with the seconds of their pods."""
    return {
        name: StepRecord(
            state=step.state,
            seconds=None if step.seconds is None else round(step.seconds, 1),
            pod_seconds=_pod_seconds(pods, name),
            worker_pod_seconds=worker_seconds(receipt, step.seconds) if name == "train" else 0.0,
            is_cached=is_cached(pods, name),
            image=images.get(name, ""),
        )
        for name, step in steps.items()
    }


def _pod_seconds(pods: Sequence[Pod], step: str) -> float | None:
    own = [pod.seconds for pod in pods if pod.step == step and pod.seconds is not None]
    return round(sum(own), 1) if own else None


def _cost(
    steps: Mapping[str, StepRecord],
    receipt: TrainingReceipt | None,
    prices: Prices,
    run_id: str,
    warn: Callable[[str], None],
) -> RunCost | None:
    try:
        return cost_of_run(steps, receipt, prices)
    except SettingsError as error:  # what the run did is worth keeping without its price
        warn(f"the record of run {run_id} has no cost: {error}")
        return None


def _receipt(data_root: str, training_id: str) -> TrainingReceipt | None:
    """Returns the receipt of a training; None if it was removed, or cannot be read."""
    if not training_id:
        return None
    with contextlib.suppress(DataError, FileNotFoundError):
        uri = storage.join(data_root, "training", training_id, "receipt.json")
        return TrainingReceipt.from_json(storage.read_bytes(uri), uri)
    return None


def _state(state: str, outcome: RecordedOutcome) -> RecordedState:
    # Kubeflow calls a run that somebody ended a failed one.
    if outcome is RecordedOutcome.TERMINATED:
        return RecordedState.TERMINATED
    return RecordedState.SUCCEEDED if state == "SUCCEEDED" else RecordedState.FAILED


def _last_end(run: Any) -> datetime.datetime | None:
    """Returns when the last task of a run ended."""
    return max(filter(None, (_time(task.end_time) for task in tasks_of(run))), default=None)


def _time(at: datetime.datetime | None) -> datetime.datetime | None:
    """Returns a time of the API, which has one in 1970, or in the year 1, for none."""
    if at is None or at.year <= 1970:
        return None
    return at if at.tzinfo else at.replace(tzinfo=datetime.UTC)


def _links(
    kubeflow: Kubeflow, run: Any, data_root: str, manifest_sha256: str, model_version: str | None
) -> dict[str, str]:
    links = {"run": f"{kubeflow.url}/#/runs/details/{run.run_id}"}
    if manifest_sha256:
        links["data report"] = data_report_uri(data_root, manifest_sha256)
    models_uri = (run.runtime_config.parameters or {}).get("models_uri") if run.runtime_config else None
    if model_version and isinstance(models_uri, str) and models_uri:
        links["model"] = storage.join(version_uri(models_uri, model_version), "README.md")
    return links
