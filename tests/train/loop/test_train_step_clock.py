import itertools

import pytest

from components.train.loop.step_clock import LoopTime, StepClock


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(clock: StepClock, hands: Hands, waits: list[float], step_seconds: float, count: int = 1) -> None:
    def batches():
        for wait in waits:
            hands.now += wait
            yield wait

    stream = batches()
    while True:
        with clock.waiting():
            group = list(itertools.islice(stream, count))
        if not group:
            break
        hands.now += step_seconds
        clock.stepped(len(group))
        hands.now += 0.25  # a line is written


def told(time: LoopTime) -> tuple[float, float, int]:
    return time.waiting, time.stepping, time.num_steps


@pytest.fixture
def clocks() -> tuple[StepClock, Hands]:
    hands = Hands()
    return StepClock(hands), hands


def test_waiting_for_a_batch_is_told_from_all_else(clocks):
    clock, hands = clocks
    clock.start()
    run(clock, hands, [7.0, 1.0, 2.0], step_seconds=0.5)
    # The first call compiles; what follows a call belongs to the next.
    assert told(clock.compiling) == (7.0, 0.5, 1)
    assert told(clock.total) == (3.0, 1.5, 2)
    assert clock.total.input_wait_share == pytest.approx(3 / 4.5)
    assert clock.total.steps_per_second == pytest.approx(2 / 4.5)


def test_batches_of_one_call_are_waited_for_together(clocks):
    clock, hands = clocks
    clock.start()
    run(clock, hands, [1.0] * 5, step_seconds=2.0, count=2)
    assert told(clock.compiling) == (2.0, 2.0, 2)
    assert told(clock.total) == (3.0, 4.5, 3)


def test_what_lies_between_two_epochs_does_not_count(clocks):
    clock, hands = clocks
    for _ in range(2):
        clock.start()
        run(clock, hands, [1.0, 1.0], step_seconds=1.0)
        hands.now += 1000.0  # validation
    assert clock.total.seconds == pytest.approx(2 * 3 + 0.25 * 2)


def test_an_epoch_that_compiles_anew_is_told_apart(clocks):
    clock, hands = clocks
    for compiles in (False, True, False):
        clock.start(compiles=compiles)
        run(clock, hands, [0.0, 0.0], step_seconds=1.0)
    assert clock.compiling.num_steps == 2
    assert clock.total.num_steps == 4


def test_the_last_call_is_told_unless_it_compiled(clocks):
    clock, hands = clocks
    clock.start()
    run(clock, hands, [1.0], step_seconds=1.0)
    assert clock.last is None
    run(clock, hands, [1.0] * 2, step_seconds=2.0, count=2)
    assert told(clock.last) == (2.0, 2.25, 2)
    clock.expect_compiling()
    run(clock, hands, [1.0], step_seconds=1.0)
    assert clock.last is None
    assert clock.compiling.num_steps == 2


def test_no_time_at_all_has_no_rates():
    assert (LoopTime().input_wait_share, LoopTime().steps_per_second) == (0.0, 0.0)
    assert LoopTime(3.0, 2.0, 4) - LoopTime(1.0, 1.0, 1) == LoopTime(2.0, 1.0, 3)
    assert LoopTime(1.0, 2.0, 3) + LoopTime(1.0, 0.0, 1) == LoopTime(2.0, 2.0, 4)
