"""Allows one launch of a training at a time: a second one waits for the first, and then reuses its model.

In a folder, this is a file lock, which the system releases when its holder dies. In a bucket, it is an object that its
holder keeps rewriting by compare-and-swap: another launch that sees it unchanged for its stated duration may take it
over. The machines' clocks need not agree.

What a bucket guarantees, and what it does not:

- The holder counts from the start of its last renewal that succeeded, and gives up a little before another launch may
  take over. A renewal that hangs does not count, nor does a machine's sleep stop the count.
- Its workers on the same machine get no more time than it has itself (see local/gang.py).
- `confirm` renews the lease, which fails if anybody else ever had it. Then the receipt is written by compare-and-swap
  with what was there when the lease was taken: of two owners, only the first one's is kept, and it is complete.
- The server itself does not know the lease: no bucket makes the write of one object depend on another. A process that
  is stopped for longer than the lease between `confirm` and that write, or a worker between its last look at the time
  and a write, still writes when it wakes up. That can leave a receipt that the other launch then finds and respects, or
  files of a checkpoint or an export: equal to the other's, as the training is, or else a digest tells.
"""

import contextlib
import errno
import fcntl
import math
import os
import socket
import stat
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Protocol, TextIO

import msgspec

from components import storage
from components.errors import NO_ROOM, AgrivisionError, DataError
from components.storage import disk
from components.train.settings.worker_spec import EXIT_TRY_AGAIN

LEASE = "lease.json"
_SECONDS = 60.0  # a lease in a bucket is free after this long without a renewal
_OWN_SHARE = 0.9  # of that time its holder counts on; in the rest it ends its workers
_RENEWALS = 4  # in that time
_POLL_SECONDS = 1.0
_RELEASE_SECONDS = 10.0  # to give a lease back; whoever waits for it waits no longer than its duration
_MOST_SECONDS = 3600.0  # that somebody else's lease may state
_MOST_CHARACTERS = 300  # of the name of a holder
# Counts the time that the machine sleeps, in which others do not wait, where the system has such a clock.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class LostLease(AgrivisionError):
    """Another launch has taken over this training, or may have."""

    exit_code = EXIT_TRY_AGAIN


class MalformedLease(DataError):
    """There is something else where a lease should be."""


class Lease(Protocol):
    """The right to train."""

    def check(self) -> float:
        """Returns for how many seconds nobody else may take over; asks nobody.

        Raises:
          LostLease: If it is lost, or not known to be held.
        """

    def confirm(self) -> None:
        """Makes sure that it is held, and was all the time, whatever this machine's clock says.

        Raises:
          LostLease: If it is lost.
          AgrivisionError: If this cannot be found out.
        """


@contextlib.contextmanager
def hold(folder: str, say: Callable[[str], None], seconds: float = _SECONDS) -> Iterator[Lease]:
    """Holds the training in `folder`, after waiting for whoever holds it now.

    Args:
      folder: The training's folder, a path or gs:// URI.
      say: Called with a message if another launch holds the training, or the lease cannot be given back.
      seconds: Duration of a lease in a bucket.

    Raises:
      DataError: If there is something else where the lease should be, or the folder has no locks.
    """
    me = f"process {os.getpid()} on {socket.gethostname()}"
    if storage.is_remote(folder):
        with _leased(storage.join(folder, LEASE), f"{me} ({uuid.uuid4().hex[:8]})", say, seconds) as lease:
            yield lease
        return
    disk.make_folder(folder)
    path = str(Path(folder, ".lock"))
    with _locked(path, say) as file:
        file.seek(0)
        file.truncate()
        file.write(me)
        file.flush()
        yield _FileLock(path, file)


def _say_who(say: Callable[[str], None], holder: str) -> None:
    say(f"{holder or 'another launch'} is already running this training; waiting for it to end")


class _FileLock:
    """A lock that the system keeps until this process ends, however long it is stopped."""

    def __init__(self, path: str, file: TextIO) -> None:
        self._path, self._file = path, file

    def check(self) -> float:
        if os.fstat(self._file.fileno()).st_nlink == 0:
            raise LostLease(f"{self._path!r}, the lock of this training, was removed; run again")
        return math.inf

    def confirm(self) -> None:
        self.check()


@contextlib.contextmanager
def _locked(path: str, say: Callable[[str], None]) -> Iterator[TextIO]:
    while True:
        # The file stays: after its removal, a launch that had opened it before could lock it as a second holder.
        with _open_lock(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _say_who(say, file.read(_MOST_CHARACTERS))
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:
                raise DataError(
                    f"cannot lock {path!r}: {error.strerror}; data_root must be on a file system with locks, or gs://"
                ) from error
            if os.fstat(file.fileno()).st_nlink:  # else somebody has removed it meanwhile
                yield file
                return


def _open_lock(path: str) -> TextIO:
    """Opens the lock file, and makes it if there is none.

    Raises:
      DataError: If there is something else: a link would make this process overwrite another file.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "it is not a file")
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        reason = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise DataError(f"cannot lock {path!r}: {reason}; remove it and run again") from error
    return open(descriptor, "r+", encoding="utf-8", errors="replace")


class _Content(msgspec.Struct, frozen=True, kw_only=True):
    """The content of lease.json.

    Attributes:
      holder: Who holds the lease; empty if nobody does.
      seconds: How long after a renewal nobody else may take it over.
      written: Differs in each write, so that others can see that the lease was renewed.
    """

    holder: Annotated[str, msgspec.Meta(max_length=_MOST_CHARACTERS)] = ""
    seconds: Annotated[float, msgspec.Meta(ge=0.0, le=_MOST_SECONDS)] = 0.0
    written: Annotated[str, msgspec.Meta(max_length=_MOST_CHARACTERS)]


def _read(uri: str) -> tuple[_Content, str | None]:
    """Returns a lease, and the token that compare_and_swap takes.

    Raises:
      MalformedLease: If it is none.
    """
    text, token = storage.read_pointer(uri)
    if text is None:
        return _Content(written=""), token
    try:
        return msgspec.json.decode(text, type=_Content), token
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedLease(
            f"{uri} is no lease that this version can read: {str(error)[:_MOST_CHARACTERS]}; if no other launch runs "
            "this training, remove it and run again"
        ) from error


def _write(uri: str, token: str | None, holder: str, seconds: float) -> None:
    content = _Content(holder=holder, seconds=seconds, written=uuid.uuid4().hex)
    storage.compare_and_swap(uri, token, msgspec.json.encode(content))


def _now() -> float:
    return time.clock_gettime(_CLOCK)


class _BucketLease:
    """A lease that this process holds; see the module's docstring."""

    def __init__(self, uri: str, me: str, seconds: float, taken: float) -> None:
        """Starts to renew it.

        Args:
          uri: Where it is.
          me: Its holder.
          seconds: How long after a renewal nobody else may take it over.
          taken: _now() before it was taken.
        """
        self._uri, self._me, self._seconds = uri, me, seconds
        self._renewed = taken  # _now() before the last write that is known to have succeeded
        self._lost = ""  # why
        self._lock, self._ended = threading.Lock(), threading.Event()
        threading.Thread(target=self._keep_renewing, name="lease", daemon=True).start()

    def check(self) -> float:
        with self._lock:
            left = self._renewed + _OWN_SHARE * self._seconds - _now()
            if left <= 0 and not self._lost:
                self._lost = (
                    f"it was not renewed for {self._seconds:.0f} s, because this process or its machine stood still, "
                    "or the bucket did not answer"
                )
            if self._lost:
                raise LostLease(f"lost {self._uri}: {self._lost}; run again to go on from the last checkpoint")
            return left

    def confirm(self) -> None:
        while not self._renew():
            self.check()
        self.check()

    def release(self) -> None:
        """Lets the next launch begin at once.

        Raises:
          Exception: Anything; the next launch then waits until the lease runs out.
        """
        self._ended.set()
        while True:
            content, token = _read(self._uri)
            if content.holder != self._me:
                return
            with contextlib.suppress(storage.Conflict):  # with a renewal that had hung
                _write(self._uri, token, "", 0.0)
                return

    def _keep_renewing(self) -> None:
        while not self._ended.wait(self._seconds / _RENEWALS):
            with contextlib.suppress(LostLease):
                self.check()
                # In a thread of its own: a renewal that hangs must not keep the next one from succeeding.
                threading.Thread(target=self._try_to_renew, name="renewal", daemon=True).start()
                continue
            return

    def _try_to_renew(self) -> None:
        with contextlib.suppress(Exception):  # a bucket that does not answer may answer again; `check` counts
            self._renew()

    def _renew(self) -> bool:
        """Renews it if it is held; returns False if another write came between, of a renewal or of another launch."""
        before = _now()
        try:
            content, token = _read(self._uri)
        except MalformedLease as error:
            self._lost = self._lost or str(error)
            return True
        if content.holder != self._me:
            self._lost = self._lost or "another launch has taken it over"
            return True
        try:
            _write(self._uri, token, self._me, self._seconds)
        except storage.Conflict:
            return False
        with self._lock:
            self._renewed = max(self._renewed, before)
        return True


@contextlib.contextmanager
def _leased(uri: str, me: str, say: Callable[[str], None], seconds: float) -> Iterator[_BucketLease]:
    lease = _take(uri, me, say, seconds)
    try:
        yield lease
    finally:
        if reason := _failure_within(_RELEASE_SECONDS, lease.release):
            wait = f"the next launch of this training waits {seconds:.0f} s for it"
            say(f"{uri} could not be given back: {reason}; {wait}")


def _take(uri: str, me: str, say: Callable[[str], None], seconds: float) -> _BucketLease:
    seen: str | None = None
    since = time.monotonic()
    while True:
        before = _now()
        lease, token = _read(uri)
        if token != seen:
            if seen is None and lease.holder:
                _say_who(say, lease.holder)
            seen, since = token, time.monotonic()
        if not lease.holder or time.monotonic() - since > lease.seconds:
            with contextlib.suppress(storage.Conflict):
                _write(uri, token, me, seconds)
                return _BucketLease(uri, me, seconds, before)
        time.sleep(min(_POLL_SECONDS, seconds / _RENEWALS))


def _failure_within(seconds: float, work: Callable[[], None]) -> str:
    """Does the work; returns why it failed, or empty text. It is left to itself after `seconds`."""
    failures: list[str] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            failures.append(str(error))

    thread = threading.Thread(target=run, name="release", daemon=True)
    thread.start()
    thread.join(seconds)
    return f"no answer within {seconds:.0f} s" if thread.is_alive() else "".join(failures)
