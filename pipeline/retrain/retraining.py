"""Decides whether a source gives reason for a run, and sees to it that there is one."""

import dataclasses
import datetime
import hashlib
from enum import StrEnum

from components.contracts import Trigger
from components.errors import EXIT_TRY_AGAIN
from components.printable import printable
from components.progress import StepLog
from pipeline.kubeflow.package import PIPELINE_NAME, Package
from pipeline.parameters import Parameters
from pipeline.retrain.change import Change, Standing
from pipeline.retrain.change_key import result_parameters, same_place
from pipeline.retrain.clock import Clock
from pipeline.retrain.looking import Look, StillWritten
from pipeline.retrain.next_step import NextAction, next_step
from pipeline.retrain.reasons import SourceFindings, reasons_for
from pipeline.retrain.runs import Runs
from pipeline.retrain.settings import RetrainSettings
from pipeline.retrain.starting import OneRun
from pipeline.retrain.triggers import key_of, read_trigger


class Decided(StrEnum):
    """What a call came to."""

    STARTED = "started"
    RUNNING = "running"  # an earlier call started it
    WOULD_START = "would-start"  # but for --dry-run
    ANSWERED = "answered"  # a run of this change pushed a model, was refused, or was ended by a person
    UNCHANGED = "unchanged"
    NOT_ENOUGH = "not-enough"
    SETTLING = "settling"
    WAITS = "waits"  # for another call, or for the pause after a failed run
    GIVEN_UP = "given-up"


_EXIT_CODES = {Decided.SETTLING: EXIT_TRY_AGAIN, Decided.WAITS: EXIT_TRY_AGAIN, Decided.GIVEN_UP: 1}
_MOST_NAME, _MOST_TEXT = 100, 500  # characters of what is written down
_OF_STANDING = {
    Standing.STARTED: Decided.STARTED,
    Standing.RUNNING: Decided.RUNNING,
    Standing.WAITS: Decided.WAITS,
    Standing.ANSWERED: Decided.ANSWERED,
    Standing.GIVEN_UP: Decided.GIVEN_UP,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RetrainAnswer:
    """What a call came to, and why.

    Attributes:
      why: A line each.
      key: Of the change; empty if it is not known.
      run_id, run_url, attempt: Of the last run of the change, if there is one.
      until: When to call again, if that is known.
      fingerprint, num_files, num_tiles: Of the source; empty and 0 if they were not looked for.
      found: What the source was compared with; None if nothing needed to be.
      outcome: How the run ended, as `agrivision submit` says it; empty if nobody waited for that.
      exit_code: Of the command.
    """

    decided: Decided
    why: tuple[str, ...]
    source_uri: str
    num_files: int
    key: str = ""
    run_id: str = ""
    run_url: str = ""
    attempt: int = 0
    until: datetime.datetime | None = None
    fingerprint: str = ""
    num_tiles: int = 0
    found: SourceFindings | None = None
    outcome: str = ""
    exit_code: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class RetrainOrder:
    """What a call is to do.

    Attributes:
      served: Where a server writes what it answered; empty for nowhere.
      is_dry: Whether nothing may be written or started.
    """

    parameters: Parameters
    package: Package
    settings: RetrainSettings
    served: str = ""
    is_dry: bool = False


class Retraining:
    """A call of `agrivision retrain`.

    Args:
      runs: What runs the pipeline.
    """

    def __init__(self, order: RetrainOrder, runs: Runs, clock: Clock, log: StepLog) -> None:
        self._order, self._runs, self._clock, self._log = order, runs, clock, log
        self._pipeline_sha256 = hashlib.sha256(order.package.text.encode()).hexdigest()
        self._parameters = result_parameters(order.parameters)
        self._data_root = order.parameters.run.data_root

    def decide(self) -> RetrainAnswer:
        """Looks at the source, and starts a run if there is reason to; returns what came of that.

        Raises:
          AgrivisionError: if the source cannot be listed, is not fit to train on, or a run cannot be started.
        """
        answer = self._decided()
        return dataclasses.replace(answer, exit_code=_EXIT_CODES.get(answer.decided, 0))

    def _decided(self) -> RetrainAnswer:
        order = self._order
        look = Look(order.parameters, self._log, self._clock, is_dry=order.is_dry)
        answer = RetrainAnswer(
            decided=Decided.UNCHANGED, why=(), source_uri=order.parameters.run.source_uri, num_files=look.num_files
        )
        try:
            if look.surveyed and (trigger := self._trigger(look.surveyed.fingerprint)):
                known = dataclasses.replace(answer, fingerprint=trigger.fingerprint, num_tiles=trigger.num_tiles)
                return self._run(known, trigger.last.reasons, trigger)
            look.require_settled(order.settings.settle_minutes)
            found, surveyed = look.compare(order.served)
        except StillWritten as still:
            return dataclasses.replace(answer, decided=Decided.SETTLING, why=(str(still),), until=still.until)
        look.remember(surveyed)
        answer = dataclasses.replace(
            answer,
            fingerprint=surveyed.fingerprint,
            num_tiles=surveyed.num_tiles,
            found=found,
            key=self._key(surveyed.fingerprint),
        )
        if trigger := self._trigger(surveyed.fingerprint):
            return self._run(answer, trigger.last.reasons, trigger)
        verdict = reasons_for(found, order.settings)
        if not verdict.reasons:
            decided = Decided.UNCHANGED if found.is_unchanged else Decided.NOT_ENOUGH
            return dataclasses.replace(answer, decided=decided, why=verdict.remarks)
        return self._run(answer, verdict.reasons, None)

    def _trigger(self, fingerprint: str) -> Trigger | None:
        return read_trigger(self._data_root, self._key(fingerprint))[0]

    def _key(self, fingerprint: str) -> str:
        return key_of(fingerprint, self._pipeline_sha256, self._parameters)

    def _run(self, answer: RetrainAnswer, reasons: tuple[str, ...], trigger: Trigger | None) -> RetrainAnswer:
        """Sees to it that there is a run; with is_dry, only tells what is written down."""
        order = self._order
        answer = dataclasses.replace(answer, key=self._key(answer.fingerprint))
        if order.is_dry:
            return self._dry_run(answer, reasons, trigger)
        change = Change(
            key=answer.key,
            source_uri=same_place(order.parameters.run.source_uri),
            fingerprint=answer.fingerprint,
            pipeline=PIPELINE_NAME,
            pipeline_sha256=self._pipeline_sha256,
            pipeline_version=printable(order.package.version)[:_MOST_NAME],
            parameters=self._parameters,
            num_tiles=answer.num_tiles,
            reasons=tuple(reason[:_MOST_TEXT] for reason in reasons),
        )
        stand = OneRun(self._data_root, change, self._runs, order.settings.retry, self._clock).ensure()
        decided = _OF_STANDING[stand.standing]
        return dataclasses.replace(
            answer,
            decided=decided,
            why=reasons if decided is Decided.STARTED else (stand.why,),
            run_id=stand.run_id,
            run_url=self._runs.page(stand.run_id),
            attempt=stand.attempt,
            until=stand.until,
        )

    def _dry_run(self, answer: RetrainAnswer, reasons: tuple[str, ...], trigger: Trigger | None) -> RetrainAnswer:
        todo = next_step(trigger, self._clock.now(), self._order.settings.retry)
        if trigger is not None:
            answer = dataclasses.replace(answer, run_id=trigger.last.run_id, attempt=trigger.last.number)
        if todo.action is NextAction.CLAIM:
            why = (*reasons, *filter(None, [todo.why]))
            return dataclasses.replace(answer, decided=Decided.WOULD_START, why=why)
        decided = {
            NextAction.ASK: Decided.RUNNING,
            NextAction.WAIT: Decided.WAITS,
            NextAction.LEAVE: Decided.ANSWERED,
            NextAction.GIVE_UP: Decided.GIVEN_UP,
        }[todo.action]
        why_not = todo.why or "a run of this change was started; how it is doing was not asked"
        return dataclasses.replace(answer, decided=decided, why=(why_not,), until=todo.until)
