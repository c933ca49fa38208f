"""Asks a server again after what may pass, for as long as patience lasts: when, and how soon, is decided here alone.

| answer                       | what is done                                                              |
|------------------------------|---------------------------------------------------------------------------|
| none (refused, reset, late)  | asked again after a pause that doubles, from 0.5 s to 8 s, with jitter    |
| 408, 429, 500, 502, 503, 504 | the same, but no sooner than Retry-After says, where it says seconds      |
| all others                   | for the caller to judge                                                   |

What is asked again may have been done the first time, if only its answer was lost: ask only what is safe to repeat.
"""

import random
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from components.errors import UnreachableError

_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 8.0
_JITTER = 1.3  # a pause is up to this many times as long: what failed together should not come back together
_Answer = TypeVar("_Answer")


class NoAnswer(UnreachableError):
    """A server gave no answer, or one that may pass; a later try may succeed.

    Attributes:
      retry_after: Seconds that the server wants to be left alone for; 0 if it did not say.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def may_pass(status: int | None) -> bool:
    """Tells whether the same request may succeed later; None or 0 stands for a connection that broke."""
    return not status or status in _PASSING


def retry_after(headers: Mapping[str, str] | None) -> float:
    """Returns the seconds that a server wants to be left alone for; 0 if it says nothing, or names a date."""
    given = (headers or {}).get("Retry-After", "")
    return float(given) if given.isdecimal() else 0.0


def ask_patiently(
    ask: Callable[[], _Answer],
    patience_seconds: float,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> _Answer:
    """Returns what `ask` returns, called again whenever it raises NoAnswer.

    Args:
      ask: Raises NoAnswer for what may pass; any other error ends this at once.
      patience_seconds: No pause that would end later than this begins; 0 asks once.
      now, sleep: The clock, in seconds.

    Raises:
      NoAnswer: the last one, when patience ends.
    """
    deadline = now() + patience_seconds
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return ask()
        except NoAnswer as error:
            wait = max(pause, error.retry_after)
            if now() + wait > deadline:
                raise
        sleep(wait * random.uniform(1.0, _JITTER))  # never before the server wants it
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
