"""What follows from the end of a run, once its record is there: the trigger that started it learns what came of it."""

from collections.abc import Callable

from components.contracts import RunRecord

# Takes data_root, the trigger's key, the run's id, its outcome, and when it ended; safe to repeat.
EndTrigger = Callable[[str, str, str, str, str], object]
END_TRIGGER: EndTrigger | None = None


def run_ended(data_root: str, record: RunRecord) -> None:
    """Tells the trigger of a run that the run has ended. Safe to repeat, and nothing for a run without a trigger.

    Raises:
      DataError: if the trigger's document is damaged.
      UnreachableError: if the bucket does not answer.
    """
    if record.trigger_key and END_TRIGGER is not None:
        END_TRIGGER(data_root, record.trigger_key, record.run_id, record.outcome.value, record.ended)
