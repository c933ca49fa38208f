"""The record that a run's last step leaves: what the run's documents say, the moment that its outcome is known.

A run that gets as far as the gate ends with push or with refused. Both leave a record, which holds what Kubeflow's own
tables do not: the decision with its numbers, the dataset, the training and the version. Times, pods and images are
completed by `agrivision collect`. A failed run has no last step, and is recorded by collect alone.

There is no exit handler. It would run after a failure too, but not when a run is terminated, and it may take nothing
from the steps before it: all that it could write is that the run has ended. It would cost two more pods, and hide the
whole graph in a box on Kubeflow's page.
"""

import datetime
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from components import environment
from components.contracts import Decision, Evaluation, GateNumbers, RecordedOutcome, RecordedState, RunRecord
from components.errors import AgrivisionError, as_user_error
from components.run_records.record_file import keep_record
from components.run_records.run_name import filled_in, parse_run_name


def leave_record(
    data_root: str,
    run_id: str,
    run_name: str,
    evaluation: Evaluation,
    decision: Decision,
    model_version: str | None,
    warn: Callable[[str], None],
) -> None:
    """Writes the record of the run that this pod ends; outside a pod, whoever started the run does.

    The run itself never fails by it: what goes wrong is one line of the log, and left to `agrivision collect`.

    Args:
      run_id, run_name: As Kubeflow puts them in place of its placeholders.
      model_version: What was pushed; None if the gate refused.
      warn: Takes that line.
    """
    if not run_of_pod(run_id):
        return
    record = RunRecord(
        run_id=run_id,
        name=filled_in(run_name),
        state=RecordedState.SUCCEEDED,
        outcome=RecordedOutcome.PUSHED if model_version else RecordedOutcome.REFUSED,
        reason=decision.reason,
        gate=gate_numbers(decision),
        macro_f1=evaluation.candidate.macro_f1,
        macro_f1_interval=evaluation.candidate.intervals.get("macro_f1"),
        manifest_sha256=evaluation.manifest_sha256,
        training_id=evaluation.training_id,
        model_version=model_version,
        ended=document_time(datetime.datetime.now(datetime.UTC)),
    )
    name = parse_run_name(record.name)
    record = msgspec.structs.replace(
        record, pipeline_version=name.version, commit=name.commit, trigger_key=name.trigger_key
    )
    try:
        keep_record(data_root, record)
    except (AgrivisionError, OSError) as error:
        warn(f"the run's record was not written, and is left to agrivision collect: {as_user_error(error) or error}")


def run_of_pod(run_id: str) -> str:
    """Returns the id of the run that this pod belongs to; empty on a laptop, where kfp.local makes up an id."""
    return filled_in(run_id) if environment.kfp_pod()[0] else ""


def gate_numbers(decision: Decision) -> GateNumbers:
    """Returns the numbers of a decision."""
    return GateNumbers(**{name: getattr(decision, name) for name in GateNumbers.__struct_fields__})


def gate_from_numbers(numbers: Mapping[str, Any]) -> GateNumbers | None:
    """Returns the numbers of a decision by their names, as the gate logs them; None if they are not that."""
    own = {name: value for name, value in numbers.items() if name in GateNumbers.__struct_fields__}
    try:
        return msgspec.convert(own, GateNumbers) if own else None
    except msgspec.ValidationError:
        return None


def document_time(at: datetime.datetime) -> str:
    """Returns a time as documents have it, in UTC to the second; one that names no zone is in UTC."""
    at = at if at.tzinfo else at.replace(tzinfo=datetime.UTC)
    return at.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
