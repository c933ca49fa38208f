"""When a server is asked again, with a clock that only moves when somebody sleeps."""

from itertools import pairwise

import pytest

from components.errors import EXIT_TRY_AGAIN, SettingsError
from components.retrying import NoAnswer, ask_patiently, may_pass, retry_after


class Clock:
    """Counts seconds, and remembers when it was asked."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.asked: list[float] = []

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def ask(self, failures: list[Exception], patience_seconds: float, answer_seconds: float = 0.0) -> str:
        """Asks a server that fails in these ways, one after the other, and then answers."""

        def ask() -> str:
            self.asked.append(self.seconds)
            self.seconds += answer_seconds
            if failures:
                raise failures.pop(0)
            return "answer"

        return ask_patiently(ask, patience_seconds, self.now, self.sleep)

    @property
    def pauses(self) -> list[float]:
        return [later - earlier for earlier, later in pairwise(self.asked)]


def no_answers(*retry_after: float) -> list[Exception]:
    return [NoAnswer(f"no answer {number}", seconds) for number, seconds in enumerate(retry_after)]


@pytest.mark.parametrize(
    ("failures", "least"),
    [
        ([], []),
        (no_answers(0), [0.5]),
        (no_answers(*[0.0] * 7), [0.5, 1, 2, 4, 8, 8, 8]),  # it doubles, but not for ever
        (no_answers(3, 0), [3, 1]),  # Retry-After counts for the one pause
        (no_answers(0, 0, 0.1), [0.5, 1, 2]),  # sooner than we would come back anyway
        (no_answers(60), [60]),  # the server knows best, if there is patience
    ],
)
def test_pauses_double_up_to_a_bound_and_are_never_shorter_than_the_server_wants(
    failures: list[Exception], least: list[float]
) -> None:
    clock = Clock()
    assert clock.ask(list(failures), patience_seconds=100.0) == "answer"
    assert len(clock.pauses) == len(least)
    assert all(shortest <= pause <= 1.3 * shortest for shortest, pause in zip(least, clock.pauses, strict=True))


@pytest.mark.parametrize(
    ("failures", "patience_seconds", "answer_seconds", "num_asked"),
    [
        (no_answers(0), 0.0, 0.0, 1),  # no patience asks once
        (no_answers(0, 0, 0), 2.0, 0.0, 3),  # after 0.5 and 1 s a pause of 2 s would end too late
        (no_answers(30), 10.0, 0.0, 1),  # no use in waiting for less than the server wants
        (no_answers(0, 0), 5.0, 4.0, 2),  # a late answer costs patience too
    ],
)
def test_when_patience_ends_the_last_failure_is_raised(
    failures: list[Exception], patience_seconds: float, answer_seconds: float, num_asked: int
) -> None:
    clock = Clock()
    with pytest.raises(NoAnswer, match=f"no answer {num_asked - 1}") as error:
        clock.ask([*failures, *no_answers(*[0.0] * 9)][:9], patience_seconds, answer_seconds)
    assert len(clock.asked) == num_asked
    assert clock.seconds <= max(patience_seconds, answer_seconds) + answer_seconds
    assert error.value.exit_code == EXIT_TRY_AGAIN


def test_what_is_final_is_raised_at_once() -> None:
    clock = Clock()
    with pytest.raises(SettingsError, match="no such run"):
        clock.ask([*no_answers(0), SettingsError("no such run")], patience_seconds=100.0)
    assert len(clock.asked) == 2


def test_those_who_failed_together_do_not_come_back_together() -> None:
    clocks = [Clock() for _ in range(20)]
    for clock in clocks:
        clock.ask(no_answers(0), patience_seconds=10.0)
    assert len({clock.asked[1] for clock in clocks}) == len(clocks)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, True),
        (0, True),  # how urllib3 and its like tell of a broken connection
        *((status, True) for status in (408, 429, 500, 502, 503, 504)),
        *((status, False) for status in (400, 401, 403, 404, 409, 410, 422, 501, 505)),
    ],
)
def test_only_what_may_pass_is_worth_asking_again(status: int | None, expected: bool) -> None:
    assert may_pass(status) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (None, 0.0),
        ({}, 0.0),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0.0),  # no server that we ask sends a date
        ({"Retry-After": "-1"}, 0.0),
        ({"Retry-After": ""}, 0.0),
    ],
)
def test_retry_after_is_read_where_it_says_seconds(headers: dict[str, str] | None, expected: float) -> None:
    assert retry_after(headers) == expected
