"""Gives every run that has ended its record: also one that was terminated, failed, or never followed by anybody."""

import collections
import dataclasses
import datetime
import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from components import storage
from components.contracts import RunRecord
from components.cost.prices import read_prices
from components.errors import EXIT_DATA, EXIT_TRY_AGAIN, AgrivisionError, SettingsError, as_user_error
from components.run_records.last_step import document_time
from components.run_records.record_file import keep_record, read_record, recorded_runs
from pipeline.kubeflow.client import Kubeflow
from pipeline.kubeflow.past_runs import Versions, find_run, past_runs
from pipeline.kubeflow.run_status import ENDED
from pipeline.kubeflow.time_limit import TimeIsUpError, within
from pipeline.run_records.ended import run_ended
from pipeline.run_records.kubeflow_record import record_of_run

RECORD_SECONDS = 60.0  # for the record of a run that was followed: its outcome is known, and somebody waits
MOST_SHOWN = 20  # records that are kept for a table, the newest
Tell = Callable[[str, RunRecord], None]  # takes data_root and a record; a webhook


@dataclasses.dataclass
class Collected:
    """What came of collecting.

    Attributes:
      newest: The records of the runs that ended last, newest first, each after its data_root.
      num_written: Records that are new, or say more than before.
      num_known: Those that were complete already.
      num_elsewhere: Runs that have another data_root than the one that was asked for.
      going: The runs that have not ended, as "<id> (<state>)".
      problems: What kept a run from its record, by exit code.
    """

    newest: list[tuple[str, RunRecord]] = dataclasses.field(default_factory=list)
    num_written: int = 0
    num_known: int = 0
    num_elsewhere: int = 0
    going: list[str] = dataclasses.field(default_factory=list)
    problems: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)

    @property
    def exit_code(self) -> int:
        """75 if another try may do better, otherwise 42 or 2 if something must be mended first, or 0."""
        return next((code for code in (EXIT_TRY_AGAIN, EXIT_DATA, *sorted(self.problems)) if self.problems[code]), 0)

    def note(self, error: Exception) -> AgrivisionError:
        """Counts what is wrong with one run, and returns it as an error that the user can fix.

        Raises:
          Exception: the error itself, if it is a defect.
        """
        if (mendable := as_user_error(error)) is None:
            raise error
        self.problems[mendable.exit_code] += 1
        return mendable

    def keep(self, data_root: str, record: RunRecord) -> None:
        """Adds a record to the newest ones."""
        found = [*self.newest, (data_root, record)]
        self.newest = heapq.nlargest(MOST_SHOWN, found, key=lambda each: (each[1].ended, each[1].run_id))

    @property
    def records(self) -> list[RunRecord]:
        """The newest records alone."""
        return [record for _, record in self.newest]


def collect_runs(
    kubeflow: Kubeflow,
    runs: Iterable[Any],
    given_root: str,
    now: datetime.datetime,
    tell: Tell,
    warn: Callable[[str], None],
) -> Collected:
    """Gives each of some runs its record, if it has ended. Safe to repeat, and to do twice at once.

    What is wrong with one run does not keep the others from their records.

    Args:
      runs: V2beta1Run; each is forgotten before the next is asked for.
      given_root: The only data_root whose runs are recorded; empty for all of them. See place_of_record.
      tell: Called with every complete record, each time: it knows what it has told.
      warn: Takes a line about a run that got no record.

    Raises:
      AgrivisionError: if the list of runs ends early.
    """
    collected, versions, prices = Collected(), Versions(kubeflow), read_prices()
    for run in runs:
        if run.state not in ENDED:
            collected.going.append(f"{run.run_id} ({(run.state or 'pending').lower()})")
            continue
        try:
            if not (data_root := place_of_record(run, given_root)):
                collected.num_elsewhere += 1
                continue
            known = read_record(data_root, run.run_id)
            if known and known.is_complete:
                record = known
                collected.num_known += 1
            else:
                # The list has it without its tasks. Kubeflow may have lost it since: then only the list tells its end.
                whole = find_run(kubeflow, run.run_id) or run
                made = record_of_run(kubeflow, whole, data_root, known, versions, prices, now, warn)
                record = keep_record(data_root, made)
                collected.num_written += record != known
            _tell_of(collected, data_root, record, tell)
        except Exception as error:
            warn(f"run {run.run_id} has no record yet: {collected.note(error)}")
    return collected


def place_of_record(run: Any, given_root: str) -> str:
    """Returns the data_root beneath which a run's record goes; empty if that is not the one that was asked for.

    The parameters of a run are what somebody typed. A bucket is written to with the rights of whoever collects; a
    folder is one of the cluster's, and no folder of this machine unless the user says which.

    Raises:
      SettingsError: if it is unknown which.
    """
    own = (run.runtime_config.parameters or {}).get("data_root") if run.runtime_config else None
    if not isinstance(own, str) or not own:
        raise SettingsError("it has no parameter data_root, so it is not of this pipeline")
    own = own.rstrip("/")
    if storage.is_remote(own):
        return own if given_root.rstrip("/") in ("", own) else ""
    if not given_root:
        raise SettingsError(
            f"its data_root {own!r} is a folder on the cluster; give --data-root, the same folder on this machine"
        )
    return "" if storage.is_remote(given_root) else given_root


def record_followed_run(kubeflow: Kubeflow, run_id: str, tell: Tell, warn: Callable[[str], None]) -> None:
    """Gives a run that was followed to its end its record, as collect does. What goes wrong is one line of warning.

    A run on a volume keeps what its last step has written: the volume cannot be reached from here.
    """
    try:
        collected = within(RECORD_SECONDS, lambda: _collected_one(kubeflow, run_id, warn))
    except TimeIsUpError:
        warn(f"run {run_id} has no record yet: it took more than {RECORD_SECONDS:g} s; run agrivision collect later")
        return
    except AgrivisionError as error:
        warn(f"run {run_id} has no record yet: {error}; run agrivision collect later")
        return
    for data_root, record in collected:
        tell(data_root, record)


def _collected_one(kubeflow: Kubeflow, run_id: str, warn: Callable[[str], None]) -> list[tuple[str, RunRecord]]:
    found: list[tuple[str, RunRecord]] = []
    run = find_run(kubeflow, run_id)
    if run is not None and _keeps_records_in_a_bucket(run):
        now = datetime.datetime.now(datetime.UTC)
        collect_runs(kubeflow, [run], "", now, lambda data_root, record: found.append((data_root, record)), warn)
    return found


def _keeps_records_in_a_bucket(run: Any) -> bool:
    own = (run.runtime_config.parameters or {}).get("data_root") if run.runtime_config else None
    return isinstance(own, str) and own.startswith("gs://")


def runs_to_collect(kubeflow: Kubeflow, since: datetime.datetime, run_id: str) -> Iterator[Any]:
    """Yields one run, or all runs of our pipeline that were made since then, newest first.

    Raises:
      SettingsError: if Kubeflow does not know the run.
    """
    if not run_id:
        yield from past_runs(kubeflow, since)
    elif (run := find_run(kubeflow, run_id)) is None:
        raise SettingsError(
            f"Kubeflow at {kubeflow.url} knows no run {run_id!r}; see {kubeflow.url}/#/runs, "
            "or give --data-root, where the run may have left a record"
        )
    else:
        yield run


def collect_lost(kubeflow: Kubeflow, data_root: str, run_id: str, tell: Tell) -> Collected | None:
    """Completes what the last step of a run has left, if Kubeflow no longer knows the run.

    Returns:
      None if Kubeflow does know it, or the run has left nothing beneath `data_root`.

    Raises:
      AgrivisionError: if the record is damaged, or Kubeflow or the bucket does not answer.
    """
    record = read_record(data_root, run_id)
    if record is None or find_run(kubeflow, run_id) is not None:
        return None
    whole = keep_record(data_root, msgspec.structs.replace(record, is_complete=True))
    collected = Collected(num_written=int(whole != record), num_known=int(whole == record))
    _tell_of(collected, data_root, whole, tell)
    return collected


def collect_here(data_root: str, since: datetime.datetime, tell: Tell, warn: Callable[[str], None]) -> Collected:
    """Goes through the records beneath a data_root, without asking Kubeflow: those of runs on this machine, too."""
    collected, first = Collected(), document_time(since)
    for run_id in recorded_runs(data_root):
        try:
            record = read_record(data_root, run_id)
            if record is not None and record.ended >= first:
                collected.num_known += 1
                _tell_of(collected, data_root, record, tell)
        except Exception as error:
            warn(f"run {run_id}: {collected.note(error)}")
    return collected


def _tell_of(collected: Collected, data_root: str, record: RunRecord, tell: Tell) -> None:
    collected.keep(data_root, record)
    run_ended(data_root, record)
    if record.is_complete:
        tell(data_root, record)
