"""Allows one launch of a training at a time: a second one waits for the first, and then reuses its model.

In a folder, this is a file lock, which the system releases when its holder dies. In a bucket, it is an object that its
holder keeps rewriting by compare-and-swap: another launch that sees it unchanged for its stated duration may take it
over. The machines' clocks need not agree.
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
_SECONDS = 60.0  # a lease in a bucket is free after this long without a renewal
_POLL_SECONDS = 1.0


class LostLease(AgrivisionError):
    """Another launch has taken over this training."""

    exit_code = EXIT_TRY_AGAIN


@contextlib.contextmanager
def hold(folder: str, say: Callable[[str], None], seconds: float = _SECONDS) -> Iterator[Callable[[], None]]:
    """Holds the training in `folder`; yields a function that raises LostLease once the lease is lost.

    Args:
      folder: The training's folder, a path or gs:// URI.
      say: Called with a message if another launch holds the training.
      seconds: Duration of a lease in a bucket.
    """
    me = f"process {os.getpid()} on {socket.gethostname()}"
    if storage.is_remote(folder):
        with _leased(storage.join(folder, LEASE), f"{me} ({uuid.uuid4().hex[:8]})", say, seconds) as check:
            yield check
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    # The file stays: after its removal, a launch that had opened it before could lock it as a second holder.
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
    say(f"{holder or 'another launch'} is already running this training; waiting for it to end")


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
            raise LostLease(
                f"lost {uri}: this process was paused for too long; another launch may have taken over, else run again"
            )

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
    # Each write differs, so other launches can see that the lease was renewed.
    return json.dumps({"holder": holder, "seconds": seconds, "written": uuid.uuid4().hex}).encode()
