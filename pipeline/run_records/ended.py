"""What follows from the end of a run, once its record is there: the trigger that started it learns what came of it."""

from components.contracts import RunRecord
from pipeline.retrain.triggers import end_trigger


def run_ended(data_root: str, record: RunRecord) -> None:
    """Tells the trigger of a run that the run has ended. Safe to repeat, and nothing for a run without a trigger.

    Raises:
      DataError: if the trigger's document is damaged.
      UnreachableError: if the bucket does not answer.
    """
    if record.trigger_key:
        end_trigger(data_root, record.trigger_key, record.run_id, record.outcome.value, record.ended)
