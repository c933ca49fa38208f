"""Reads a worker's output: passes on the chief's log lines, and keeps the last lines, which explain why it ended."""

import collections
import re

from components.printable import printable
from components.progress import parse_line

_TAIL_LINES = 12
_ERROR = "error: "
_NOISE = re.compile(r"WARNING|[IW]\d{4} ")  # TensorFlow's messages from before its log level is set


class WorkerOutput:
    """The output of one worker, as far as it has been read.

    Attributes:
      tail: Its last lines, except lines of the step's log.
    """

    def __init__(self, is_chief: bool) -> None:
        """Starts with no output.

        Args:
          is_chief: Whether to pass the worker's log lines on to the step's log.
        """
        self.tail: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)
        self._is_chief = is_chief

    def add(self, line: str) -> None:
        """Adds the next line."""
        if parse_line(line) is None:
            if not _NOISE.match(line):
                self.tail.append(line.rstrip())
        elif self._is_chief:
            print(printable(line.strip()), flush=True)

    @property
    def gave_reason(self) -> bool:
        """Whether the worker itself wrote why it ended."""
        return any(line.startswith(_ERROR) for line in self.tail)

    @property
    def reason(self) -> str:
        """The reason that the worker wrote, or else its last line."""
        given = [line for line in self.tail if line.startswith(_ERROR)]
        return given[-1].removeprefix(_ERROR) if given else (self.tail[-1] if self.tail else "it wrote nothing")
