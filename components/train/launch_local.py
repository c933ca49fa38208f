"""A gang of worker processes on this machine: they start together, end together, and restart together.

A synchronous worker cannot go on without its peers, so when one dies the others are ended at once and
all start again from the last checkpoint. Each worker's standard input is a pipe that only this
process holds open: should it die, in whatever way, its workers see the end of the pipe and end too.
"""

import collections
import dataclasses
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import components
from components import environment
from components.errors import EXIT_DATA, EXIT_SETTINGS, AgrivisionError, DataError, SettingsError
from components.progress import StepLog, parse_line
from components.train.spec import EXIT_DONE, EXIT_STOPPED, EXIT_TRY_AGAIN, WorkerSpec

_POLL_SECONDS = 0.1
_SETTLE_SECONDS = 2.0  # after one worker's end, for the others to say why they end
_STOP_SECONDS = 20.0  # for a checkpoint after SIGTERM
_TAIL_LINES = 12
_ERROR = "error: "
_NOISE = re.compile(r"WARNING|[IW]\d{4} ")  # TensorFlow's own, before it knows how much of it is wanted


class WorkersFailed(AgrivisionError):
    """The gang failed more often than it may."""

    exit_code = EXIT_TRY_AGAIN


@dataclasses.dataclass
class _Worker:
    """One running worker; `tail` is the end of its output."""

    index: int
    process: subprocess.Popen[str]
    tail: collections.deque[str]
    reader: threading.Thread

    def reason(self) -> str:
        """Returns the reason that the worker gave, or the last line that it wrote."""
        given = [line for line in self.tail if line.startswith(_ERROR)]
        return given[-1].removeprefix(_ERROR) if given else (self.tail[-1] if self.tail else "it wrote nothing")


def run_gang(
    make_spec: Callable[[str], WorkerSpec], num_workers: int, max_restarts: int, work_dir: Path, log: StepLog
) -> int:
    """Runs the workers to their end, restarting them from their checkpoint, and returns the number of restarts.

    Args:
      make_spec: returns the workers' spec for a rendezvous "<host>:<port>".
      work_dir: holds the specs and `attempt-<a>-worker-<w>.log` of each worker.

    Raises:
      SettingsError, DataError: what a worker ended with; another attempt would end the same.
      WorkersFailed: after `max_restarts` restarts.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, max_restarts + 2):
        workers = _start(make_spec, num_workers, work_dir, attempt)
        try:
            failed = _wait(workers)
        finally:
            _stop(workers)
        if failed is None:
            return attempt - 1
        code, reason = failed.process.returncode, failed.reason()
        if code == EXIT_SETTINGS:
            raise SettingsError(reason)
        if code == EXIT_DATA:
            raise DataError(reason)
        for line in failed.tail:
            log.line(f"worker {failed.index}: {line}")
        what = f"worker {failed.index} {_ending(code)}: {reason}"
        if attempt <= max_restarts:
            log.line(f"{what}; restart {attempt} of {max_restarts}, from the last checkpoint")
    raise WorkersFailed(f"{what}; gave up after {max_restarts} restarts; whole logs in {str(work_dir)!r}")


def _start(make_spec: Callable[[str], WorkerSpec], num_workers: int, work_dir: Path, attempt: int) -> list[_Worker]:
    addresses = _free_addresses(num_workers + 1)
    spec_path = work_dir / f"attempt-{attempt}-spec.json"
    make_spec(addresses[-1] if num_workers > 1 else "").write(spec_path)
    workers: list[_Worker] = []
    try:
        for index in range(num_workers):
            cluster = {"cluster": {"worker": addresses[:-1]}, "task": {"type": "worker", "index": index}}
            overrides = {
                "TF_CONFIG": json.dumps(cluster) if num_workers > 1 else "",
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "PYTHONUNBUFFERED": "1",
            }
            workers.append(_spawn(index, spec_path, overrides, work_dir / f"attempt-{attempt}-worker-{index}.log"))
    except BaseException:
        _stop(workers)
        raise
    return workers


def _spawn(index: int, spec_path: Path, overrides: dict[str, str], log_path: Path) -> _Worker:
    process = subprocess.Popen(
        [sys.executable, "-m", "components.train", "--spec", str(spec_path.resolve())],
        env=environment.child_environment(overrides),
        cwd=Path(components.__path__[0]).parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # Ctrl-C goes to this process alone, which then lets the workers write a checkpoint.
        start_new_session=True,
    )
    tail: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)

    def follow() -> None:
        assert process.stdout is not None
        with open(log_path, "w", encoding="utf-8") as log_file:
            for line in process.stdout:
                log_file.write(line)
                log_file.flush()
                if parse_line(line) is None:
                    if not _NOISE.match(line):
                        tail.append(line.rstrip())
                elif index == 0:
                    print(line, end="", flush=True)

    reader = threading.Thread(target=follow, name=f"worker-{index}-output", daemon=True)
    reader.start()
    return _Worker(index, process, tail, reader)


def _wait(workers: list[_Worker]) -> _Worker | None:
    """Returns None when all workers are done, or, as soon as any fails, the one to blame."""
    deadline = None
    while True:
        codes = [worker.process.poll() for worker in workers]
        if all(code == EXIT_DONE for code in codes):
            return None
        failed = [worker for worker, code in zip(workers, codes, strict=True) if code not in (None, EXIT_DONE)]
        if failed and deadline is None:
            first, deadline = failed[0], time.monotonic() + _SETTLE_SECONDS
        if deadline is not None and (None not in codes or time.monotonic() > deadline):
            for worker in failed:
                worker.reader.join(timeout=1.0)
            # A worker that lost a peer has only seen the failure of another.
            return min(failed, key=lambda worker: (_blame(worker.process.returncode), worker is not first))
        time.sleep(_POLL_SECONDS)


def _blame(code: int) -> int:
    if code in (EXIT_SETTINGS, EXIT_DATA):
        return 0
    return {EXIT_STOPPED: 2, EXIT_TRY_AGAIN: 3}.get(code, 1)


def _stop(workers: list[_Worker]) -> None:
    """Ends the workers that still run: by SIGTERM if all do, since then they can write a checkpoint."""
    running = [worker.process for worker in workers if worker.process.poll() is None]
    if running and len(running) == len(workers):
        for process in running:
            process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline and all(process.poll() is None for process in running):
            time.sleep(_POLL_SECONDS)
        time.sleep(_POLL_SECONDS)
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.kill()
        worker.process.wait()
        worker.reader.join(timeout=1.0)
        assert worker.process.stdin is not None
        worker.process.stdin.close()


def _ending(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _free_addresses(count: int) -> list[str]:
    """Returns free ports of the loopback interface; all held at once, so that none is returned twice."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{server.getsockname()[1]}" for server in sockets]
    for server in sockets:
        server.close()
    return addresses
