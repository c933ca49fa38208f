"""Makes the record of a run on this machine, the same as that of a run on Kubeflow, of a failed run too."""

import secrets
from collections.abc import Callable

from components.contracts import RecordedOutcome, RecordedState, RunRecord, StepRecord
from components.errors import AgrivisionError, as_user_error
from components.run_records.last_step import document_time, gate_from_numbers
from components.run_records.record_file import keep_record
from components.run_records.run_name import commit_of
from pipeline.kubeflow.package import make_package
from pipeline.local.watch import EXIT_INTERRUPTED, LocalRun, RunFailed
from pipeline.run_records.delivery import deliver
from pipeline.run_records.webhook import Webhook


def record_local_run(data_root: str, run: LocalRun, webhook: Webhook | None, warn: Callable[[str], None]) -> None:
    """Writes the record of a run on this machine, and tells the webhook. What goes wrong is one line, and no failure.

    Args:
      webhook: None to tell nobody.
      warn: Takes that line.
    """
    record = local_record(run)
    try:
        keep_record(data_root, record)
    except (AgrivisionError, OSError) as error:
        warn(f"the run has no record: {as_user_error(error) or error}")
        return
    deliver(data_root, record, webhook, warn)


def local_record(run: LocalRun) -> RunRecord:
    """Returns the record of a run on this machine."""
    summary, version = run.summary, make_package(volume=False).version
    state, outcome = _end(run)
    gate = gate_from_numbers(summary.gate) if summary else None
    links = {"run": str(run.run_dir)}
    if summary:
        links |= {f"{name} report": path for name, path in summary.reports.items()}
        links |= {"model": summary.model_uri} if summary.model_uri else {}
    return RunRecord(
        # Two machines may share a data_root, and start a run within one second under one process id.
        run_id=f"{run.run_dir.name}-{secrets.token_hex(4)}",
        pipeline_version=version,
        is_complete=True,
        state=state,
        outcome=outcome,
        reason=summary.reason if summary else str(run.error or "the run was ended from outside"),
        gate=gate,
        macro_f1=summary.metrics.macro_f1 if summary else None,
        macro_f1_interval=summary.metrics.intervals.get("macro_f1") if summary else None,
        steps={
            name: StepRecord(state="failed" if name == run.failed_step else "succeeded", seconds=seconds)
            for name, seconds in run.step_seconds.items()
        },
        cost=summary.cost if summary else None,
        commit=commit_of(version),
        manifest_sha256=summary.manifest_sha256 if summary else "",
        training_id=summary.gate.get("training_id") or "" if summary else "",
        model_version=summary.model_version if summary else None,
        links=links,
        started=document_time(run.started),
        ended=document_time(run.ended),
    )


def _end(run: LocalRun) -> tuple[RecordedState, RecordedOutcome]:
    if run.summary:
        is_pushed = run.summary.model_version is not None
        return RecordedState.SUCCEEDED, RecordedOutcome.PUSHED if is_pushed else RecordedOutcome.REFUSED
    is_stopped = run.error is None or (isinstance(run.error, RunFailed) and run.error.exit_code == EXIT_INTERRUPTED)
    if is_stopped:
        return RecordedState.TERMINATED, RecordedOutcome.TERMINATED
    return RecordedState.FAILED, RecordedOutcome.FAILED
