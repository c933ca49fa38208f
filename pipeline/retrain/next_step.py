"""What may be done for a change, going by what is written down of its runs. Pure functions."""

import dataclasses
import datetime
from enum import StrEnum

from components.contracts import AttemptState, RunOutcome, Trigger, TriggerAttempt
from components.contracts.runs.triggers import MOST_ATTEMPTS
from components.printable import printable
from pipeline.retrain.triggers import moment_of, utc_time

_LONGEST_PAUSE = datetime.timedelta(days=1)
# What is to be waited for longer was written by a clock that is wrong, and nobody knows when it was.
_FUTURE = 2 * _LONGEST_PAUSE
# After these, the same change may be run again. A person's decision to end a run stands.
RETRIED = (RunOutcome.FAILED, RunOutcome.LOST)


@dataclasses.dataclass(frozen=True)
class RetryRule:
    """How often a change whose run failed is run again, and when.

    Attributes:
      max_attempts: Runs of one change, the first included.
      pause_minutes: Before the second attempt; doubles before each further one, up to a day.
    """

    max_attempts: int = 3
    pause_minutes: float = 10.0


class NextAction(StrEnum):
    """What may be done next."""

    CLAIM = "claim"  # the attempt of the given number
    ASK = "ask"  # how the run is doing
    WAIT = "wait"  # until the given time
    LEAVE = "leave"  # the change was answered
    GIVE_UP = "give-up"  # too many runs failed


@dataclasses.dataclass(frozen=True)
class NextStep:
    """What may be done next, and why.

    Attributes:
      number: Of the attempt to claim; 0 if there is none.
      until: When to look again; None if there is nothing to wait for.
      why: In one line.
    """

    action: NextAction
    why: str = ""
    number: int = 0
    until: datetime.datetime | None = None


def next_step(trigger: Trigger | None, now: datetime.datetime, rule: RetryRule) -> NextStep:
    """Returns what may be done for a change.

    Args:
      trigger: What is written down of its runs; None if nothing is.
      now: In UTC.
    """
    if trigger is None:
        return NextStep(NextAction.CLAIM, number=1)
    last = trigger.last
    if last.state is AttemptState.CLAIMED:
        until = moment_of(last.expires_at)
        if now < until < now + _FUTURE:
            why = f"{printable(last.by)} is about to start a run of this change since {last.claimed_at}"
            return NextStep(NextAction.WAIT, why, until=until)
        return NextStep(
            NextAction.CLAIM, number=last.number
        )  # a run may have been started all the same: look for its name
    if last.state is AttemptState.STARTED:
        return NextStep(NextAction.ASK)
    if last.outcome is RunOutcome.NOT_STARTED:
        return NextStep(NextAction.CLAIM, number=last.number)
    if last.outcome not in RETRIED:
        return NextStep(NextAction.LEAVE, _answered(last))
    num_failed = sum(each.outcome in RETRIED for each in trigger.attempts)
    said = f"run {printable(last.run_id)} {last.outcome}{f': {printable(last.message)}' if last.message else ''}"
    if num_failed >= rule.max_attempts:
        return NextStep(
            NextAction.GIVE_UP,
            f"{num_failed} runs of this change failed, and --max-attempts={rule.max_attempts}; the last: {said}",
        )
    assert last.ended_at is not None  # or it would not have ended
    due = moment_of(last.ended_at) + pause(num_failed, rule)
    if now < due < now + _FUTURE:
        return NextStep(NextAction.WAIT, f"{said}; attempt {last.number + 1} is due at {utc_time(due)}", until=due)
    return NextStep(NextAction.CLAIM, said, number=last.number + 1)


def pause(num_failed: int, rule: RetryRule) -> datetime.timedelta:
    """Returns how long after the end of the last failed run the next may start; at least one has failed."""
    doubled = min(num_failed - 1, MOST_ATTEMPTS)
    minutes = min(rule.pause_minutes * 2.0**doubled, _LONGEST_PAUSE.total_seconds() / 60)
    return datetime.timedelta(minutes=minutes)


def _answered(last: TriggerAttempt) -> str:
    run = f"run {printable(last.run_id)}"
    match last.outcome:
        case RunOutcome.PUSHED:
            return f"{run} pushed a model of this change, {last.ended_at}"
        case RunOutcome.REFUSED:
            return f"the gate refused the model of this change, in {run}, {last.ended_at}"
        case RunOutcome.TERMINATED:
            return f"{run} of this change was terminated, {last.ended_at}; `agrivision submit` runs it all the same"
        case _:
            return f"{run} of this change ended well, {last.ended_at}, but whether it pushed is not known"
