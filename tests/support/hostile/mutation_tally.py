"""Counts what comes of mutated content, and what it costs."""

import collections
import time
from collections.abc import Callable
from typing import Any

from bounded import peak_mb

REFUSED, SAME, OTHER = "refused", "read as the original", "read as another picture under another name"


class Tally:
    """Counts outcomes, and measures what they cost."""

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.slowest = 0.0

    def add(self, kind: str, outcome: Callable[[], str]) -> None:
        start = time.process_time()
        self.counts[f"{kind}: {outcome()}"] += 1
        self.slowest = max(self.slowest, time.process_time() - start)

    def result(self) -> dict[str, Any]:
        return {"counts": dict(sorted(self.counts.items())), "slowest_s": self.slowest, "peak_mb": peak_mb()}


def refusal(error: Exception, start: str = "") -> str:
    """Returns REFUSED, after a look that the reason is one line."""
    reason = str(error)
    assert reason.startswith(start)
    assert len(reason.splitlines()) == 1
    return REFUSED
