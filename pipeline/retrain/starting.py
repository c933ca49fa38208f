"""Starts one run per change, however often and from wherever it is asked to, and whatever dies in between.

A change is claimed by writing its document, which only one process can. The owner of the claim looks for a run of the
attempt's name, starts one if there is none, and writes its id down by compare-and-swap. What can go wrong, and why
there is still one run:

- The owner dies. Its claim expires, and the next call takes over the same attempt, and so the same name: it finds the
  run, if there is one.
- The answer of the server is lost. The run is looked for by its name for a while. If it does not show up, the claim
  stays until it expires: a run that was started has shown up by then. Nothing else is started meanwhile.
- The owner is slow. It starts no run once its claim is older than SEND_SECONDS. If it was stopped between that look at
  the clock and the request, there may be two runs of one name. Whoever has started or found a run writes it down; only
  one can, and the other ends its own. Whoever looks at the document later ends what was left behind.

Nothing here trusts the clocks of two machines for more than the moment when a claim expires: if they differ, more runs
may be started and ended again, and one is kept.
"""

import contextlib
import datetime
import socket
import uuid

import msgspec

from components import storage
from components.contracts import AttemptState, RunOutcome, Trigger, TriggerAttempt
from components.errors import AgrivisionError, UnreachableError
from pipeline.retrain.change import Change, Stand, Standing
from pipeline.retrain.clock import Clock
from pipeline.retrain.next_step import NextAction, NextStep, RetryRule, next_step
from pipeline.retrain.runs import Runs, RunState, SeenRun, best_of
from pipeline.retrain.triggers import (
    ended,
    moment_of,
    read_trigger,
    run_name,
    started,
    trigger_uri,
    utc_time,
    with_last,
    write_trigger,
)

CLAIM_SECONDS = 600  # after which a claim without a run may be taken over
SEND_SECONDS = 120  # after which the owner of a claim asks for no run any more
LOOK_SECONDS = 60  # for a run whose start was not answered
LOST_SECONDS = 600  # after its start, a run that its server does not tell of is lost
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 10.0
_MOST_ROUNDS = 100  # of a document that changes whenever it is looked at
_MOST_TEXT = 500  # characters of an error
_STANDING = {
    NextAction.WAIT: Standing.WAITS,
    NextAction.LEAVE: Standing.ANSWERED,
    NextAction.GIVE_UP: Standing.GIVEN_UP,
}


class OneRun:
    """Sees to it that a change has one run.

    Args:
      data_root: Where the triggers are.
      runs: What runs the pipeline.
    """

    def __init__(self, data_root: str, change: Change, runs: Runs, rule: RetryRule, clock: Clock) -> None:
        self._data_root, self._change, self._runs, self._rule, self._clock = data_root, change, runs, rule, clock
        self._me = f"{socket.gethostname()[:100]} {uuid.uuid4().hex}"

    def ensure(self) -> Stand:
        """Starts a run if the change has none and may have one; returns how it stands.

        Raises:
          UnreachableError: if storage or server do not answer, or it is not known whether a run was started.
          AgrivisionError: if the server refuses to start one, or what is written down cannot be read.
        """
        for _ in range(_MOST_ROUNDS):
            trigger, token = read_trigger(self._data_root, self._change.key)
            todo = next_step(trigger, self._clock.now(), self._rule)
            stand: Stand | None
            if todo.action is NextAction.CLAIM:
                stand = self._claim(trigger, token, todo)
            elif todo.action is NextAction.ASK:
                assert trigger is not None  # or there would be no run to ask for
                stand = self._ask(trigger, token)
            else:
                assert trigger is not None  # or there would be something to claim
                last = trigger.last
                stand = Stand(_STANDING[todo.action], last.run_id, last.number, todo.why, todo.until)
            if stand is not None:
                return stand
        raise UnreachableError(
            f"{trigger_uri(self._data_root, self._change.key)!r} changes faster than it can be read; run again later"
        )

    def _claim(self, trigger: Trigger | None, token: str | None, todo: NextStep) -> Stand | None:
        """Claims an attempt and starts its run; None if somebody else was faster, or the run was found."""
        if trigger is not None and trigger.last.number < todo.number and self._goes_on(trigger, token):
            return None
        self._runs.prepare(self._change.fingerprint)  # takes time, which must not count against the claim
        claimed_at, now = self._clock.seconds(), self._clock.now()
        name = run_name(self._change.pipeline, self._change.key, todo.number)
        attempt = TriggerAttempt(
            number=todo.number,
            state=AttemptState.CLAIMED,
            claimed_at=utc_time(now),
            expires_at=utc_time(now + datetime.timedelta(seconds=CLAIM_SECONDS)),
            by=self._me,
            reasons=self._change.reasons,
            run_name=name,
        )
        earlier = trigger.attempts[: todo.number - 1] if trigger else ()
        claimed = self._change.trigger((*earlier, attempt))
        try:
            write_trigger(self._data_root, claimed, token)
        except storage.Conflict:
            return None
        if seen := self._runs.find(name):
            self._write_down(todo.number, best_of(seen).run_id)
            return None
        if self._clock.seconds() - claimed_at > SEND_SECONDS:
            raise UnreachableError(
                f"took more than {SEND_SECONDS} s to claim a run, so none is started; call again "
                f"after {attempt.expires_at}"
            )
        try:
            run_id = self._runs.create(name)
        except UnreachableError as error:
            found = self._look_for(name)
            if found is None:
                raise UnreachableError(
                    f"{error}; it is not known whether the run {name!r} was started; call again after "
                    f"{attempt.expires_at}, which finds it if it was"
                ) from error
            run_id = found
        except AgrivisionError as error:
            self._write_refusal(todo.number, str(error))
            raise
        if not self._write_down(todo.number, run_id):
            return None
        return Stand(Standing.STARTED, run_id, todo.number, "")

    def _goes_on(self, trigger: Trigger, token: str | None) -> bool:
        """Looks once more at an attempt that has failed; returns whether it has not, and writes that down.

        A person may have told the server to retry the run, or a run may have shown up late.
        """
        last = trigger.last
        seen = self._runs.find(last.run_name)
        own = next((run for run in seen if run.run_id == last.run_id), None)
        instead = self._instead(last, own, seen)
        if not instead and (own is None or own.state is RunState.FAILED):
            return False
        run_id = instead or last.run_id
        self._swap(trigger, started(last, run_id, last.started_at or utc_time(self._clock.now())), token)
        return True

    def _look_for(self, name: str) -> str | None:
        """Returns the run of a name, which may take a while to show up; None if it does not."""
        end = self._clock.seconds() + LOOK_SECONDS
        pause = _FIRST_PAUSE_SECONDS
        while True:
            with contextlib.suppress(UnreachableError):
                if seen := self._runs.find(name):
                    return best_of(seen).run_id
            if self._clock.seconds() + pause > end:
                return None
            self._clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _write_down(self, number: int, run_id: str) -> bool:
        """Writes down the run of an attempt; returns False, and ends the run, if the attempt has another one."""
        while True:
            trigger, token = read_trigger(self._data_root, self._change.key)
            last = trigger.last if trigger else None
            if trigger is None or last is None or last.number != number or last.run_id not in ("", run_id):
                self._end(run_id)
                return False
            if last.run_id == run_id:
                return True
            # Whoever holds the claim by now: this is the run that there is.
            now_started = started(last, run_id, utc_time(self._clock.now()))
            with contextlib.suppress(storage.Conflict):
                write_trigger(self._data_root, with_last(trigger, now_started), token)
                return True

    def _write_refusal(self, number: int, message: str) -> None:
        """Gives the claim back, so that the next call need not wait for it to expire."""
        trigger, token = read_trigger(self._data_root, self._change.key)
        if trigger is None or (trigger.last.number, trigger.last.by) != (number, self._me) or trigger.last.run_id:
            return
        at = utc_time(self._clock.now())
        refused = ended(trigger.last, RunOutcome.NOT_STARTED, at, message[:_MOST_TEXT])
        with contextlib.suppress(storage.Conflict):
            write_trigger(self._data_root, with_last(trigger, refused), token)

    def _ask(self, trigger: Trigger, token: str | None) -> Stand | None:
        """Asks how the run of a change is doing; None if that changed what is written down."""
        last = trigger.last
        assert last.started_at is not None  # or it would have no run
        seen = self._runs.find(last.run_name)
        own = next((run for run in seen if run.run_id == last.run_id), None)
        now = self._clock.now()
        if own is None and now < moment_of(last.started_at) + datetime.timedelta(seconds=LOST_SECONDS):
            return Stand(Standing.RUNNING, last.run_id, last.number, "it was just started")
        if instead := self._instead(last, own, seen):
            self._swap(trigger, msgspec.structs.replace(last, run_id=instead), token)
            return None
        if own is None:
            gone = ended(last, RunOutcome.LOST, utc_time(now), "the server does not know the run any more")
            self._swap(trigger, gone, token)
            return None
        ending = None if own.state is RunState.LIVE else self._runs.ending(last.run_id)
        if ending is None:
            return Stand(Standing.RUNNING, last.run_id, last.number, f"it was started {last.started_at}")
        at = utc_time(self._clock.now())
        self._swap(trigger, ended(last, ending.outcome, at, ending.message[:_MOST_TEXT]), token)
        return None

    def _instead(self, last: TriggerAttempt, own: SeenRun | None, seen: list[SeenRun]) -> str:
        """Ends what else lives under the name of an attempt; returns which run stands for it instead, or nothing.

        A run that another process may be about to end never stands for it, unless there is no other.
        """
        others = [run for run in seen if run.run_id != last.run_id]
        best = best_of(others) if others else None
        if best is not None and best.state is RunState.SUCCEEDED and (own is None or own.state is RunState.FAILED):
            return best.run_id
        if best is not None and best.state is RunState.LIVE and own is None:
            return best.run_id
        for run in others:
            if run.state is RunState.LIVE:
                self._end(run.run_id)
        return ""

    def _swap(self, trigger: Trigger, last: TriggerAttempt, token: str | None) -> None:
        """Replaces the last attempt, unless somebody else was faster: then the next round sees what they wrote."""
        with contextlib.suppress(storage.Conflict):
            write_trigger(self._data_root, with_last(trigger, last), token)

    def _end(self, run_id: str) -> None:
        """Ends a run that is one too many; if that fails, whoever looks at the document next does it."""
        with contextlib.suppress(AgrivisionError):
            self._runs.terminate(run_id)
