"""One launch of a training at a time: a second one waits for the first, and then finds its model.

In a folder, a lock that the system takes back when its holder dies. On a bucket, an object that its holder writes anew
all the time, by compare-and-swap: who sees it unchanged for as long as it says may take it over. No two machines need
to agree on the time.
"""

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from components import storage
from components.errors import AgrivisionError
from components.train.settings.worker_spec import EXIT_TRY_AGAIN

LEASE = "lease.json"
_SECONDS = 60.0  # without a renewal, after which a lease on a bucket is free
_POLL_SECONDS = 1.0


class LostLease(AgrivisionError):
    """Another launch has taken this training over."""

    exit_code = EXIT_TRY_AGAIN


@contextlib.contextmanager
def hold(folder: str, say: Callable[[str], None], seconds: float = _SECONDS) -> Iterator[Callable[[], None]]:
    """Holds the training in `folder`, a path or gs:// URI; yields a function that raises LostLease if it is lost.

    Args:
      say: is told who holds it, if somebody else does.
      seconds: of a lease on a bucket.
    """
    me = f"process {os.getpid()} on {socket.gethostname()}"
    if storage.is_remote(folder):
        with _leased(storage.join(folder, LEASE), f"{me} ({uuid.uuid4().hex[:8]})", say, seconds) as check:
            yield check
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    # The file stays: removing it would let a second holder in, who has opened it before.
    with open(Path(folder, ".lock"), "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            _say_who(say, file.read())
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(me)
        file.flush()
        yield lambda: None


def _say_who(say: Callable[[str], None], holder: str) -> None:
    say(f"{holder or 'another launch'} is at this training already; waiting for it to end")


@contextlib.contextmanager
def _leased(uri: str, me: str, say: Callable[[str], None], seconds: float) -> Iterator[Callable[[], None]]:
    _take(uri, me, say, seconds)
    ended, lost = threading.Event(), threading.Event()

    def renew() -> None:
        last = time.monotonic()
        while not ended.wait(seconds / 4):
            try:
                if not _write(uri, me, seconds):
                    lost.set()
                    return
                last = time.monotonic()
            except Exception:  # a bucket that does not answer may answer again
                if time.monotonic() - last > seconds:
                    lost.set()
                    return

    def check() -> None:
        if lost.is_set():
            raise LostLease(f"lost {uri}: this process stood still for too long; another launch goes on, or run again")

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield check
    finally:
        ended.set()
        thread.join()
        if not lost.is_set():
            content, token = storage.read_pointer(uri)
            if content is not None and json.loads(content)["holder"] == me:
                with contextlib.suppress(storage.Conflict):
                    storage.compare_and_swap(uri, token, _content("", 0.0))


def _take(uri: str, me: str, say: Callable[[str], None], seconds: float) -> None:
    seen: str | None = None
    since = time.monotonic()
    while True:
        content, token = storage.read_pointer(uri)
        lease: dict[str, Any] = json.loads(content) if content is not None else {"holder": "", "seconds": 0.0}
        if token != seen:
            if seen is None and lease["holder"]:
                _say_who(say, lease["holder"])
            seen, since = token, time.monotonic()
        if not lease["holder"] or time.monotonic() - since > lease["seconds"]:
            with contextlib.suppress(storage.Conflict):
                storage.compare_and_swap(uri, token, _content(me, seconds))
                return
        time.sleep(min(_POLL_SECONDS, seconds / 4))


def _write(uri: str, me: str, seconds: float) -> bool:
    """Renews the lease; returns whether it was still held."""
    content, token = storage.read_pointer(uri)
    if content is None or json.loads(content)["holder"] != me:
        return False
    try:
        storage.compare_and_swap(uri, token, _content(me, seconds))
    except storage.Conflict:
        return False
    return True


def _content(holder: str, seconds: float) -> bytes:
    # Never the same twice, or nobody could see that it was renewed.
    return json.dumps({"holder": holder, "seconds": seconds, "written": uuid.uuid4().hex}).encode()
