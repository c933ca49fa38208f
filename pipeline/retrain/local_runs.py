"""Runs on this machine. A run is alive for as long as its process holds a lock, which ends with the process."""

import fcntl
import os
import time
import uuid
from pathlib import Path
from typing import IO, Self

import msgspec

from components.contracts import RunOutcome
from components.errors import SettingsError, UnreachableError
from components.storage import disk, is_remote
from pipeline.retrain.runs import RunEnding, RunState, SeenRun
from pipeline.retrain.triggers import FOLDER, attempt_of

_MOST_BYTES = 10_000
_TRY_SECONDS = 2.0  # for the lock, which others hold for a moment when they look
_PAUSE_SECONDS = 0.05


class _Note(msgspec.Struct, frozen=True):
    """What a lock file says of the run whose process has the lock, or had it last."""

    name: str
    run_id: str
    created_at: float


class LocalRuns:
    """See Runs. A context, which keeps the locks of the runs that it has created until it is left.

    Raises:
      SettingsError: if data_root is no folder of this machine.
    """

    def __init__(self, data_root: str) -> None:
        if is_remote(data_root):
            raise SettingsError(f"--local needs a data_root that is a folder of this machine, got {data_root!r}")
        self._folder = Path(data_root, FOLDER)
        self._held: dict[str, IO[bytes]] = {}

    def prepare(self, fingerprint: str) -> None:
        """See Runs."""

    def find(self, name: str) -> list[SeenRun]:
        """See Runs."""
        try:
            file = self._open(name, os.O_RDWR)
        except FileNotFoundError:
            return []
        with file:
            try:
                note = msgspec.json.decode(file.read(_MOST_BYTES), type=_Note)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                return []
            if note.name != name:
                return []
            try:
                disk.take_lock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                state = RunState.FAILED
            except BlockingIOError:
                state = RunState.LIVE
        return [SeenRun(note.run_id, note.created_at, state)]

    def create(self, name: str) -> str:
        """See Runs. The run begins when its owner has written it down, and not before."""
        disk.make_folder(self._folder)
        file = self._open(name, os.O_RDWR | os.O_CREAT)
        end = time.monotonic() + _TRY_SECONDS
        while True:
            try:
                disk.take_lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > end:
                    file.close()
                    raise UnreachableError("another process of this machine is about to run this change") from error
            time.sleep(_PAUSE_SECONDS)
        run_id = f"local-{uuid.uuid4().hex}"
        file.truncate(0)
        file.write(msgspec.json.encode(_Note(name, run_id, time.time())))
        file.flush()
        os.fsync(file.fileno())
        self._held[run_id] = file
        return run_id

    def _open(self, name: str, flags: int) -> IO[bytes]:
        found = attempt_of(name)
        assert found is not None  # it names a run of a change
        # Hidden, so that no listing takes it for a trigger; a link could have another file emptied.
        path = self._folder / f".{found[0]}.running"
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        try:
            disk.require_file(str(path))
            return os.fdopen(descriptor, "r+b")
        except BaseException:
            os.close(descriptor)
            raise

    def terminate(self, run_id: str) -> None:
        """See Runs. Only a run of this process can be one too many, and it has not begun."""
        if file := self._held.pop(run_id, None):
            file.close()

    def ending(self, run_id: str) -> RunEnding | None:
        """See Runs."""
        return RunEnding(RunOutcome.FAILED, "the process that ran it ended without a result")

    def page(self, run_id: str) -> str:
        """See Runs."""
        return ""

    def forget(self, run_id: str) -> None:
        """Forgets a run of this process, as if it had never been created."""
        if file := self._held.pop(run_id, None):
            file.truncate(0)
            file.close()

    def owns(self, run_id: str) -> bool:
        """Returns whether this process is to do the work of a run."""
        return run_id in self._held

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for run_id in [*self._held]:
            self.terminate(run_id)
