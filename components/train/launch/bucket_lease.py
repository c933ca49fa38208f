"""The right to train on a bucket: an object that its holder keeps renewing; lease.py says what that guarantees."""

import contextlib
import math
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Annotated

import msgspec

from components import storage
from components.errors import DataError
from components.train.launch.lease import LostLease, Whereabouts

_OWN_SHARE = 0.9  # of a lease's duration its holder counts on; in the rest it ends its workers
_RENEWALS = 4  # in that time
_POLL_SECONDS = 1.0
_ASK_SECONDS = 3.0  # between two questions whether the holder has ended
_RELEASE_SECONDS = 10.0  # to give a lease back; whoever waits for it waits no longer than its duration
_MOST_SECONDS = 3600.0  # that somebody else's lease may state
_MOST_CHARACTERS = 300  # of the name of a holder
# Counts the time that the machine sleeps, in which others do not wait, where the system has such a clock.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class MalformedLease(DataError):
    """There is something else where a lease should be."""


class _Content(msgspec.Struct, frozen=True, kw_only=True):
    """The content of lease.json.

    Attributes:
      holder: Who holds the lease; empty if nobody does.
      seconds: How long after a renewal nobody else may take it over, unless the holder is known to have ended.
      place: Where it runs, see Whereabouts; empty if nobody could find out whether it has ended.
      written: Differs in each write, so that others can see that the lease was renewed.
    """

    holder: Annotated[str, msgspec.Meta(max_length=_MOST_CHARACTERS)] = ""
    seconds: Annotated[float, msgspec.Meta(ge=0.0, le=_MOST_SECONDS)] = 0.0
    place: Annotated[str, msgspec.Meta(max_length=_MOST_CHARACTERS)] = ""
    written: Annotated[str, msgspec.Meta(max_length=_MOST_CHARACTERS)]


_FREE = _Content(written="")


def _read(uri: str) -> tuple[_Content, str | None]:
    """Returns a lease, and the token that compare_and_swap takes.

    Raises:
      MalformedLease: If it is none.
    """
    text, token = storage.read_pointer(uri)
    if text is None:
        return _FREE, token
    try:
        return msgspec.json.decode(text, type=_Content), token
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedLease(
            f"{uri} is no lease that this version can read: {str(error)[:_MOST_CHARACTERS]}; if no other launch runs "
            "this training, remove it and run again"
        ) from error


def _write(uri: str, token: str | None, content: _Content) -> None:
    content = msgspec.structs.replace(content, written=uuid.uuid4().hex)
    storage.compare_and_swap(uri, token, msgspec.json.encode(content))


def _now() -> float:
    return time.clock_gettime(_CLOCK)


class _BucketLease:
    """A lease that this process holds; see lease.py."""

    def __init__(self, uri: str, mine: _Content, taken: float) -> None:
        """Starts to renew it.

        Args:
          uri: Where it is.
          mine: What it holds.
          taken: _now() before it was taken.
        """
        self._uri, self._mine, self._seconds = uri, mine, mine.seconds
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
            if content.holder != self._mine.holder:
                return
            with contextlib.suppress(storage.Conflict):  # with a renewal that had hung
                _write(self._uri, token, _FREE)
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
        if content.holder != self._mine.holder:
            self._lost = self._lost or "another launch has taken it over"
            return True
        try:
            _write(self._uri, token, self._mine)
        except storage.Conflict:
            return False
        with self._lock:
            self._renewed = max(self._renewed, before)
        return True


@contextlib.contextmanager
def leased(
    uri: str,
    me: str,
    say: Callable[[str], None],
    say_who: Callable[[str], None],
    seconds: float,
    whereabouts: Whereabouts,
) -> Iterator[_BucketLease]:
    """Holds a lease, after waiting for whoever holds it now.

    Args:
      uri: Where it is.
      me: The holder, for others to read; no other launch has this name.
      say: Called with a message if a lost holder is not waited for, or the lease cannot be given back.
      say_who: Called with the holder that is waited for.
      seconds: Its duration.
      whereabouts: Of this launch and of others.

    Raises:
      MalformedLease: If there is something else.
    """
    mine = _Content(holder=me, seconds=seconds, place=whereabouts.place(), written="")
    lease = _take(uri, mine, say, say_who, whereabouts)
    try:
        yield lease
    finally:
        if reason := _failure_within(_RELEASE_SECONDS, lease.release):
            wait = f"the next launch of this training waits {seconds:.0f} s for it"
            say(f"{uri} could not be given back: {reason}; {wait}")


def _take(
    uri: str, mine: _Content, say: Callable[[str], None], say_who: Callable[[str], None], whereabouts: Whereabouts
) -> _BucketLease:
    seen: str | None = None
    since, asked = time.monotonic(), -math.inf
    while True:
        before = _now()
        lease, token = _read(uri)
        if token != seen:
            if seen is None and lease.holder:
                say_who(lease.holder)
            seen, since = token, time.monotonic()
        is_free = not lease.holder or time.monotonic() - since > lease.seconds
        if not is_free and lease.place and time.monotonic() - asked > _ASK_SECONDS:
            asked = time.monotonic()
            is_free = whereabouts.has_ended(lease.place)
            if is_free:
                say(f"{lease.holder} has ended without giving {uri} back")
        if is_free:
            # If the holder has renewed it since it was read, this fails, and everything is asked anew.
            with contextlib.suppress(storage.Conflict):
                _write(uri, token, mine)
                return _BucketLease(uri, mine, before)
        time.sleep(min(_POLL_SECONDS, mine.seconds / _RENEWALS))


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
