"""Where the runs of a change are written down, and what a run is called, so that it can be found by its name."""

import datetime
import hashlib
import re
from collections.abc import Callable

import msgspec

from components import storage
from components.contracts.names import UtcTime
from components.contracts.runs.triggers import AttemptState, RunOutcome, Trigger, TriggerAttempt
from components.errors import DataError

FOLDER = "triggers"
_TIME = "%Y-%m-%dT%H:%M:%SZ"
# The end of a run's name. It has the whole key, so that a run leads to its document without a search.
_NAME = re.compile(r".*\bretrain-(?P<key>[0-9a-f]{64})-(?P<number>[1-9][0-9]{0,2})")


def run_name(pipeline: str, key: str, number: int) -> str:
    """Returns the name of the run of an attempt, which no other run has.

    Args:
      pipeline: Name of the pipeline.
      key: Of the change.
      number: Of the attempt.
    """
    return f"{pipeline} retrain-{key}-{number}"


def attempt_of(name: str) -> tuple[str, int] | None:
    """Returns the key and the number of the attempt that a run of this name is; None for any other run."""
    match = _NAME.fullmatch(name)
    return (match["key"], int(match["number"])) if match else None


def trigger_uri(data_root: str, key: str) -> str:
    """Returns where the runs of a change are written down."""
    return storage.join(data_root, FOLDER, f"{key}.json")


def read_trigger(data_root: str, key: str) -> tuple[Trigger | None, str | None]:
    """Returns the runs of a change, or None, and the token that write_trigger takes.

    Raises:
      DataError: if the document cannot be read, or is that of another key.
    """
    uri = trigger_uri(data_root, key)
    content, token = storage.read_pointer(uri)
    if content is None:
        return None, None
    trigger = Trigger.from_json(content, uri)
    if trigger.key != key:
        raise DataError(f"{uri} is the trigger of the key {trigger.key}; {Trigger.way_out}")
    return trigger, token


def write_trigger(data_root: str, trigger: Trigger, token: str | None) -> None:
    """Writes the runs of a change if the document is still what `token` stands for; None stands for "no document".

    Raises:
      storage.Conflict: if it is not.
      DataError: if nobody could read what is to be written.
    """
    uri, content = trigger_uri(data_root, trigger.key), trigger.to_json()
    Trigger.from_json(content, uri)
    storage.compare_and_swap(uri, token, content)


def with_last(trigger: Trigger, attempt: TriggerAttempt) -> Trigger:
    """Returns the trigger with another last attempt."""
    return msgspec.structs.replace(trigger, attempts=(*trigger.attempts[:-1], attempt))


def started(attempt: TriggerAttempt, run_id: str, at: UtcTime) -> TriggerAttempt:
    """Returns an attempt as one whose run goes on, as far as is known."""
    return msgspec.structs.replace(
        attempt,
        state=AttemptState.STARTED,
        run_id=run_id,
        started_at=at,
        outcome=None,
        ended_at=None,
        message="",
    )


def ended(attempt: TriggerAttempt, outcome: RunOutcome, at: UtcTime, message: str = "") -> TriggerAttempt:
    """Returns a started attempt as one that has ended."""
    return msgspec.structs.replace(attempt, state=AttemptState.ENDED, outcome=outcome, ended_at=at, message=message)


def end_trigger(data_root: str, key: str, run_id: str, outcome: str, at: UtcTime) -> bool:
    """Writes down how the run of a change has ended. Safe to repeat: an end that is known already stays.

    Args:
      key: Of the change; attempt_of finds it in the run's name.
      run_id: Of the run that has ended.
      outcome: How, one of RunOutcome.
      at: When, in UTC, as in 2026-01-31T12:00:00Z.

    Returns:
      Whether this call was the one that wrote. False for a run that is not the trigger's, for one whose end is known,
      and where there is no trigger of this key: there is then nothing to end.

    Raises:
      DataError: if the trigger cannot be read.
      ValueError: for an outcome that there is not.
    """
    how = RunOutcome(outcome)
    return _with_run(data_root, key, run_id, lambda attempt: ended(attempt, how, at))


def give_back(data_root: str, key: str, run_id: str, at: UtcTime, message: str) -> bool:
    """Writes down that the run of a change was interrupted by a person, so that the next call starts it again at once.

    Args:
      key, run_id, at: See end_trigger.
      message: Why, in a line.

    Returns:
      As end_trigger does.
    """

    def given_back(attempt: TriggerAttempt) -> TriggerAttempt:
        back = msgspec.structs.replace(attempt, state=AttemptState.CLAIMED, run_id="", started_at=None)
        return ended(back, RunOutcome.NOT_STARTED, at, message)

    return _with_run(data_root, key, run_id, given_back)


def _with_run(data_root: str, key: str, run_id: str, changed: Callable[[TriggerAttempt], TriggerAttempt]) -> bool:
    """Changes the attempt whose run goes on; returns False if it is not this run's."""
    while True:
        trigger, token = read_trigger(data_root, key)
        if trigger is None or trigger.last.state is not AttemptState.STARTED or trigger.last.run_id != run_id:
            return False
        try:
            write_trigger(data_root, with_last(trigger, changed(trigger.last)), token)
        except storage.Conflict:
            continue  # somebody else was faster; look at what they wrote
        return True


def utc_time(moment: datetime.datetime) -> UtcTime:
    """Returns a time as documents have it, to the second."""
    return moment.astimezone(datetime.UTC).strftime(_TIME)


def moment_of(text: UtcTime) -> datetime.datetime:
    """Returns the time that a document states."""
    return datetime.datetime.strptime(text, _TIME).replace(tzinfo=datetime.UTC)


def key_of(fingerprint: str, pipeline_sha256: str, parameters: dict[str, object]) -> str:
    """Returns the key of a change, a sha256 in hexadecimal.

    Args:
      fingerprint: Of the source.
      pipeline_sha256: Of the compiled pipeline, images included.
      parameters: Those that change the result of a run, by name.
    """
    text = msgspec.json.encode([fingerprint, pipeline_sha256, parameters], order="sorted")
    return hashlib.sha256(text).hexdigest()
