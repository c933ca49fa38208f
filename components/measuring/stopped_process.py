"""Runs a side in a process of its own, stopped while others have their turn.

Otherwise a library that reads ahead would do so in the other side's turn, and take processor time from it.

The process answers questions, a word on a line, with JSON on a line; what libraries print in between is passed over.
"""

import collections
import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, NoReturn, Self

from components.errors import AgrivisionError, DataError
from components.printable import printable

_ANSWER = "answer of this side: "  # before it, because libraries print lines of their own
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux
_MOST_SHOWN = 300  # characters of a process's last line


class StoppedProcess:
    """A process that runs only while it is asked something.

    It starts at once, so its first answer should not count. Use it as a context manager: leaving it kills the process
    and all that it has started.

    Attributes:
      name: What messages call it.
    """

    def __init__(self, name: str, command: Sequence[str], timeout_seconds: float = 3600.0) -> None:
        self.name = name
        self._timeout_seconds = timeout_seconds
        # In its own process group, so that worker processes of its library stop with it.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._questions, self._output = self._process.stdin, self._process.stdout
        self._unread = b""
        self._last_lines: collections.deque[str] = collections.deque(maxlen=1)

    def ask(self, question: str) -> Any:
        """Lets the process run until it has answered, and stops it again.

        Raises:
          DataError: if it fails, ends, or does not answer in time.
        """
        os.killpg(self._process.pid, signal.SIGCONT)
        with contextlib.suppress(BrokenPipeError):  # it has ended, which the next lines tell better
            self._questions.write(question.encode() + b"\n")
        deadline = time.monotonic() + self._timeout_seconds
        while (line := self._next_line(deadline, question)) is not None:
            text = line.decode(errors="replace")
            _, mark, answer = text.partition(_ANSWER)
            if mark:
                os.killpg(self._process.pid, signal.SIGSTOP)
                kind, value = json.loads(answer)
                if kind == "failed":
                    raise DataError(f"{self.name} failed: {value}")
                return value
            self._last_lines.append(text.strip())
        code = self._process.wait()
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        last = f"; its last line: {printable(self._last_lines[-1][:_MOST_SHOWN])}" if self._last_lines else ""
        raise DataError(f"{self.name} ended {how} before it answered {question!r}{last}")

    def _next_line(self, deadline: float, question: str) -> bytes | None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise DataError(
                        f"{self.name} did not answer {question!r} within {self._timeout_seconds:g} seconds; give it "
                        "less work, or more time"
                    )
                if not (read := os.read(self._output.fileno(), 1 << 16)):
                    return None
                self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._questions.close()
        self._output.close()


def answer_questions(answers: Mapping[str, Callable[[], Any]]) -> NoReturn:
    """Answers in such a process, until nobody asks any more, and ends it.

    Args:
      answers: By question, what returns its answer, which JSON can hold.
    """
    end_with_parent()
    for line in sys.stdin:
        try:
            answer = ("is", answers[line.strip()]())
        except AgrivisionError as error:
            answer = ("failed", str(error))
        print(f"{_ANSWER}{json.dumps(answer)}", flush=True)
    os._exit(0)  # some libraries' threads and workers would survive a normal exit


def end_with_parent(parent: int | None = None) -> None:
    """Lets the kernel kill this process when the one that asks is gone: a stopped process notices nothing by itself.

    Args:
      parent: The process that has started this one, which ends at once if that is gone already; None if nobody told.
    """
    if prctl := getattr(ctypes.CDLL(None), "prctl", None):
        prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)
