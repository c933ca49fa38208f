import time

import pytest

from components.train.loop.when_to_end import TimeBudget


@pytest.mark.parametrize(
    ("max_seconds", "before", "reserve", "expected"),
    [
        (0, 1e9, 1e9, False),  # no limit
        (100, 0.0, 0.0, False),
        (100, 60.0, 0.0, True),  # 50 s since the start, and 60 s before the restart
        (100, 40.0, 0.0, False),
        (100, 40.0, 15.0, True),  # the end needs its time
    ],
)
def test_seconds_count_over_restarts_and_the_end_is_kept_back(
    max_seconds: int, before: float, reserve: float, expected: bool
) -> None:
    budget = TimeBudget(max_seconds, started=time.monotonic() - 50.0)
    budget.resume(before)
    budget.validated(reserve)
    assert budget.is_spent() is expected
    assert budget.spent() == pytest.approx(before + 50.0, abs=5.0)
