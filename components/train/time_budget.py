"""How long a training may take, over all its restarts."""

import time


class TimeBudget:
    """Counts the seconds of a training.

    Attributes:
      max_seconds: 0 is without limit.
      reserve: Seconds that the end will take, for a last validation; they are kept back.
    """

    def __init__(self, max_seconds: float, started: float) -> None:
        """Begins to count.

        Args:
          started: time.monotonic() when this process began to work.
        """
        self.max_seconds = max_seconds
        self._started = started
        self._before = 0.0
        self.reserve = 0.0

    def resume(self, seconds: float) -> None:
        """Adds the seconds that were spent before the checkpoint that training resumes from."""
        self._before = seconds

    def spent(self) -> float:
        """Returns the seconds spent so far, over all restarts."""
        return self._before + time.monotonic() - self._started

    def is_spent(self) -> bool:
        """Tells whether it is time to finish."""
        return self.max_seconds > 0 and self.spent() + self.reserve >= self.max_seconds
