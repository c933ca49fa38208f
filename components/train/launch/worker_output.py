"""What a worker writes: lines for the step's log, and the last ones, which say why it ended."""

import collections
import re

from components.progress import parse_line

_TAIL_LINES = 12
_ERROR = "error: "
_NOISE = re.compile(r"WARNING|[IW]\d{4} ")  # TensorFlow's own, before it knows how much of it is wanted


class WorkerOutput:
    """The output of one worker, as far as it has been read.

    Attributes:
      tail: The end of it, without the lines of the step's log.
    """

    def __init__(self, is_chief: bool) -> None:
        """Begins to listen.

        Args:
          is_chief: Its lines for the step's log are written there.
        """
        self.tail: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)
        self._is_chief = is_chief

    def add(self, line: str) -> None:
        """Takes in the next line."""
        if parse_line(line) is None:
            if not _NOISE.match(line):
                self.tail.append(line.rstrip())
        elif self._is_chief:
            print(line.rstrip("\n"), flush=True)

    @property
    def gave_reason(self) -> bool:
        """Whether it said itself why it ended."""
        return any(line.startswith(_ERROR) for line in self.tail)

    @property
    def reason(self) -> str:
        """The reason that it gave, or the last line that it wrote."""
        given = [line for line in self.tail if line.startswith(_ERROR)]
        return given[-1].removeprefix(_ERROR) if given else (self.tail[-1] if self.tail else "it wrote nothing")
