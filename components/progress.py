"""The lines that a step writes to its log, and how to read them back.

One format serves three readers: a person at a terminal, a person reading a pod's log, and
`agrivision run`, which turns the lines of its steps into a live display. A line is
`<step> | <event>`, for example

    shard 1 | started
    shard 1 | 120/150 tiles, 85 tiles/s, ETA 0:00:01
    shard 1 | done in 3.2 s: wrote 150 tiles to 2 shards (31.8 MB)
    ingest | failed (exit 42): no tiles under '/data'; is source_uri the folder above images/?

A failure is then said again for people, wrapped for a page that shows some 80 characters of a line, the cause first:

    > train_config: unknown key 'epoch' (did you mean 'epochs'?)
    > The keys are backbone, weights, …

No such line is one of the protocol, whatever its text. What is not printable is escaped, here when a line is written
and again when one is read: a pod's log may hold anything.
"""

import contextlib
import dataclasses
import datetime
import re
import sys
import textwrap
import time
from collections.abc import Iterator

from components.errors import as_user_error
from components.printable import printable
from components.waiting import WAITING

_LINE = re.compile(r"(?P<step>[a-z]{1,20}(?: [0-9]{1,9})?) \| (?P<text>.*)")
_DONE = re.compile(r"done in (?P<seconds>[0-9]{1,9}(?:\.[0-9]{1,9})?) s(?:: (?P<summary>.*))?")
_MARK, _WIDTH = "> ", 72  # of what is said again
_CLAUSE = re.compile(r"; ")
_LISTS = re.compile(r"expected one of |the keys are ")
_LEAST_SECONDS = 0.5  # to measure a rate; a few tiles may take a hundredth of a second
_FAILED = re.compile(r"failed \(exit (?P<code>[1-9][0-9]{0,2})\): (?P<message>.*)")


@dataclasses.dataclass(frozen=True)
class Line:
    """One parsed line.

    Attributes:
      step: The step's name, e.g. "shard 1".
      kind: "started", "progress", "done" or "failed".
      text: What follows the bar; for "done" the summary, for "failed" the message.
      seconds: How long the step took, for "done".
      exit_code: The step's exit code, for "failed".
    """

    step: str
    kind: str
    text: str
    seconds: float = 0.0
    exit_code: int = 0


def parse_line(line: str) -> Line | None:
    """Returns the parsed line, or None for a line of any other form (a library's own output)."""
    match = _LINE.fullmatch(line.strip())  # kfp.local indents what a step prints
    if match is None:
        return None
    step, text = match["step"], printable(match["text"])
    if text == "started":
        return Line(step, "started", text)
    if done := _DONE.fullmatch(text):
        return Line(step, "done", done["summary"] or "", seconds=float(done["seconds"]))
    if failed := _FAILED.fullmatch(text):
        return Line(step, "failed", failed["message"], exit_code=int(failed["code"]))
    return Line(step, "progress", text)


def log(step: str, text: str) -> None:
    """Writes one line and flushes it; otherwise a pod's log or a pipe would be buffered."""
    print(f"{step} | {one_line(text)}", flush=True)


def one_line(text: str) -> str:
    """Returns a text as one printable line."""
    return printable(" ".join(text.split()))


def said_again(message: str) -> list[str]:
    """Returns an error wrapped for people: its cause, then the way out, and what may be a long list of names last."""
    clauses = [*dict.fromkeys(_CLAUSE.split(one_line(message)))]  # two errors may have the same list of names
    clauses.sort(key=lambda clause: bool(_LISTS.match(clause)))  # stable
    lines = ["", _MARK.rstrip()]
    for clause in clauses:
        text = clause[:1].upper() + clause[1:] if len(lines) > 2 else clause
        lines += [f"{_MARK}{line}" for line in textwrap.wrap(text, _WIDTH, break_on_hyphens=False)]
    return lines


class StepLog:
    """The log of one running step; `summary` becomes part of its last line."""

    def __init__(self, step: str) -> None:
        self.step = step
        self.summary = ""

    def line(self, text: str) -> None:
        """Writes one line of progress."""
        log(self.step, text)


@contextlib.contextmanager
def step_log(step: str) -> Iterator[StepLog]:
    """Logs a first and a last line around a step's work, and turns user errors into one line and an exit code.

    Raises:
      SystemExit: with the error's exit code, for an AgrivisionError or a full disk. Any other exception is a defect and
        propagates with its traceback.
    """
    started = time.monotonic()
    current = StepLog(step)
    current.line("started")
    try:
        with WAITING.through(current.line):
            yield current
    except Exception as error:
        mendable = as_user_error(error)
        if mendable is None:
            log(step, f"failed (exit 1): {type(error).__name__}: {error}")
            raise
        sys.stdout.flush()
        log(step, f"failed (exit {mendable.exit_code}): {mendable}")
        print("\n".join(said_again(str(mendable))), flush=True)
        sys.exit(mendable.exit_code)
    seconds = time.monotonic() - started
    log(step, f"done in {seconds:.1f} s" + (f": {current.summary}" if current.summary else ""))


class Progress:
    """Counts finished units and writes a line at most every `interval_seconds`.

    Attributes:
      total: Number of units to do; None if unknown.
      unit: Name of the units in the plural, e.g. "tiles".
    """

    def __init__(
        self, step_log: StepLog, total: int | None, unit: str = "tiles", interval_seconds: float = 2.0
    ) -> None:
        self.total = total
        self.unit = unit
        self._log = step_log
        self._interval = interval_seconds
        self._done = 0
        self._done_at_start = 0
        self._started: float | None = None
        self._last = time.monotonic()

    def advance(self, count: int = 1) -> None:
        """Notes that `count` more units are done."""
        self._done += count
        now = time.monotonic()
        if self._started is None:
            # The time before the first unit is start-up, which would distort the rate.
            self._started = self._last = now
            self._done_at_start = self._done
        if now - self._last < self._interval and (self.total is None or self._done < self.total):
            return
        self._last = now
        done = f"{self._done:,}" if self.total is None else f"{self._done:,}/{self.total:,}"
        self._log.line(f"{done} {self.unit}{self._pace(now)}")

    def _pace(self, now: float) -> str:
        """Returns rate and time left; empty if too little time was measured to tell."""
        seconds = now - (self._started or now)
        if seconds < _LEAST_SECONDS or self._done == self._done_at_start:
            return ""
        rate = (self._done - self._done_at_start) / seconds
        pace = f", {rate:,.0f} {self.unit.split()[0]}/s" if rate >= 1 else f", {1 / rate:,.0f} s each"
        if self.total is None or self._done >= self.total:
            return pace
        return f"{pace}, ETA {datetime.timedelta(seconds=round((self.total - self._done) / rate))}"
