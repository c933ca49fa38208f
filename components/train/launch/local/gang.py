"""A gang of worker processes on this machine: they start, end and restart together.

A synchronous worker cannot continue without its peers, so when one dies or freezes, all are ended and restarted from
the last checkpoint. Each worker's standard input is a pipe that only this process holds open: however this process
dies, its workers see the end of the pipe and end too. A process that is stopped, or hangs, keeps its pipes open; so
every second this one tells its workers how long they may go on without it (see peers/lifeline.py).
"""

import contextlib
import functools
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from components.errors import EXIT_DATA, EXIT_SETTINGS, AgrivisionError, DataError, SettingsError
from components.private_network import PrivateNetwork
from components.progress import StepLog
from components.train.launch.local.process import WorkerProcess
from components.train.launch.local.spawn import ProcessGang
from components.train.launch.usage import Usage
from components.train.settings.roles import tasks
from components.train.settings.strategies import PARAMETER_SERVER
from components.train.settings.train_settings import TrainSettings
from components.train.settings.worker_spec import EXIT_DONE, WorkersFailed, WorkerSpec, blame

_POLL_SECONDS = 0.1
_TELL_SECONDS = 1.0
_SETTLE_SECONDS = 2.0  # after one worker ends, for the others to write why they end
_STOP_SECONDS = 20.0  # for a checkpoint after SIGTERM
# A dedicated thread sends a worker's heartbeat, so this limit is independent of the length of a step; it allows for
# delays of that thread on a busy machine, or while a library loads from a slow disk.
_SILENT_SECONDS = 20.0
_SUSPECT_SECONDS = 4.0  # after this much silence, a worker whose peers failed counts as frozen


def run_gang(
    make_spec: Callable[[str], WorkerSpec],
    settings: TrainSettings,
    work_dir: Path,
    log: StepLog,
    check: Callable[[], float] = lambda: math.inf,
    network: PrivateNetwork | None = None,
    usage: Usage | None = None,
) -> int:
    """Runs the workers to their end, restarting them from their checkpoint, and returns the number of restarts.

    With parameter servers, a lost worker restarts alone, up to `max_restarts` times; after that, the others continue
    without it. The loss of any other process restarts all.

    Args:
      make_spec: Returns the workers' spec for a rendezvous "<host>:<port>".
      settings: The training settings, with a strategy that is not "auto".
      work_dir: Receives, for each attempt, `attempt-<a>-spec.json`, `attempt-<a>-worker-<w>.log` and, if it failed,
        `attempt-<a>-ended.json` with the workers' exit codes.
      log: The step's log.
      check: Called continually; an AgrivisionError that it raises kills the workers. Returns the seconds for which they
        may go on without this process.
      network: The network that the workers run in; None for this machine's.
      usage: Adds up the time of the attempts; None if nobody wants to know.

    Raises:
      SettingsError, DataError: If a worker ended with this error; another attempt would end the same way.
      WorkersFailed: If the workers fail after `max_restarts` restarts.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    max_restarts, processes = settings.max_restarts, tasks(settings.strategy, settings.num_workers)
    num_replaced = 0

    def replace(gang: ProcessGang, lost: WorkerProcess) -> WorkerProcess | None:
        nonlocal num_replaced
        if num_replaced == max_restarts:
            log.line(f"{lost.ending}; the others continue without it")
            return None
        num_replaced += 1
        log.line(f"{lost.ending}; the others continue while it restarts, {num_replaced} of {max_restarts}")
        return gang.spawn(lost.index, num_replaced)

    for attempt in range(1, max_restarts + 2):
        with (
            tempfile.TemporaryDirectory(prefix="agrivision-train-") as temporary,
            (usage or Usage()).timed() as timed,
        ):
            gang = ProcessGang.prepare(make_spec, processes, work_dir, attempt, Path(temporary), network)
            workers = gang.start()
            try:
                can_replace = settings.strategy == PARAMETER_SERVER
                failed = _wait(workers, check, functools.partial(replace, gang) if can_replace else None)
            finally:
                _stop(workers)
            timed.completed = failed is None
        if failed is None:
            return attempt - 1 + num_replaced
        codes = [worker.process.returncode for worker in workers]
        ended = {"exit_codes": codes, "froze": [worker.index for worker in workers if worker.froze]}
        with contextlib.suppress(OSError):  # e.g. a full disk, which may be why the workers ended
            (work_dir / f"attempt-{attempt}-ended.json").write_bytes(msgspec.json.encode(ended))
        code = failed.process.returncode
        if code == EXIT_SETTINGS:
            raise SettingsError(failed.output.reason)
        if code == EXIT_DATA:
            raise DataError(failed.output.reason)
        for line in failed.output.tail:
            log.line(f"{failed.name}: {line}")
        ending = failed.ending
        if attempt <= max_restarts:
            log.line(f"{ending}; restart {attempt} of {max_restarts}, from the last checkpoint")
    raise WorkersFailed(f"{ending}; gave up after {max_restarts} restarts; full logs in {str(work_dir)!r}")


def _wait(
    workers: list[WorkerProcess],
    check: Callable[[], float],
    replace: Callable[[WorkerProcess], WorkerProcess | None] | None,
) -> WorkerProcess | None:
    """Waits for the workers; returns None when all are done, or, soon after one fails, the one to blame.

    Args:
      workers: The running workers; lost ones are replaced in place.
      check: See run_gang.
      replace: Restarts a lost worker, or returns None to leave it out; None if training needs all workers.
    """
    deadline = None
    told = -math.inf  # when the workers were last told how long they may go on
    while True:
        if replace is not None and deadline is None:
            _replace_lost(workers, replace)
        try:
            seconds = check()
        except AgrivisionError:
            for worker in workers:  # at once: they may no longer write to the training's folder
                worker.process.kill()
            raise
        if time.monotonic() - told > _TELL_SECONDS:
            told = time.monotonic()
            for worker in workers:
                worker.tell(seconds)
        codes = [worker.process.poll() for worker in workers]
        # When the chief is done, so is the training; a worker that has just restarted may not know it.
        if all(code == EXIT_DONE for code in (codes if replace is None else codes[:1])):
            return None
        now = time.monotonic()
        failed = [worker for worker, code in zip(workers, codes, strict=True) if code not in (None, EXIT_DONE)]
        if failed and deadline is None:
            first, deadline = failed[0], now + _SETTLE_SECONDS
        if deadline is not None and (None not in codes or now > deadline):
            # The others will be ended too; giving up a silent one here marks it as the cause.
            for worker in workers:
                if worker.is_running and worker.silent_seconds() > _SUSPECT_SECONDS:
                    worker.give_up()
                    worker.process.wait()
                    failed.append(worker)
            # A worker that lost a peer has only seen another one's failure.
            return min(failed, key=lambda worker: (blame(worker.process.returncode), worker is not first))
        time.sleep(_POLL_SECONDS)
        is_awake = time.monotonic() - now < _SUSPECT_SECONDS  # the laptop may have slept, or this process been stopped
        for worker in workers:
            if not is_awake:
                worker.forgive()
            elif worker.is_running and worker.silent_seconds() > _SILENT_SECONDS:
                worker.give_up()


def _replace_lost(workers: list[WorkerProcess], replace: Callable[[WorkerProcess], WorkerProcess | None]) -> None:
    """Replaces lost workers in place, or leaves them out while others remain."""
    for worker in tuple(workers):
        # A worker that exited on its own has lost the chief, or cannot succeed.
        if worker.is_spare and not worker.is_running and (worker.process.returncode < 0 or worker.froze):
            others = [other for other in workers if other.is_spare and other.is_running]
            place = workers.index(worker)
            if (substitute := replace(worker)) is not None:
                workers[place] = substitute
            elif others:
                del workers[place]
            else:
                return
            worker.close()


def _stop(workers: list[WorkerProcess]) -> None:
    """Ends the workers that still run; uses SIGTERM if all do, because only then can they write a checkpoint."""
    running = [worker for worker in workers if worker.is_running]
    if running and len(running) == len(workers):
        for worker in running:
            worker.process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline and all(worker.is_running for worker in running):
            time.sleep(_POLL_SECONDS)
        time.sleep(_POLL_SECONDS)
    for worker in workers:
        worker.close()
