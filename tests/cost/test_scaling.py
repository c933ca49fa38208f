"""The model of scaling: its formulas against others' numbers, and its outlook against trainings that are simulated."""

import numpy as np
import pytest

from components.scaling.outlook import MeasuredTraining, outlook
from components.scaling.ring import RingLink, all_reduce_seconds, link_of
from components.scaling.stragglers import as_of_one, expected_maximum, waits_for_slowest


@pytest.mark.parametrize(
    ("num_bytes", "num_workers", "bandwidth", "latency", "expected"),
    [
        (1e9, 1, 1e9, 1.0, 0.0),
        (1e9, 2, 1e9, 0.0, 1.0),
        (1e9, 4, 1e9, 0.0, 1.5),
        (1e9, 1000, 1e9, 0.0, 1.998),  # never more than twice the bytes
        (0.0, 4, 1e9, 0.01, 0.06),
        (1e8, 4, 1e9, 0.01, 0.21),
    ],
)
def test_a_ring_adds_up_in_the_time_that_the_formula_has(
    num_bytes: float, num_workers: int, bandwidth: float, latency: float, expected: float
) -> None:
    assert all_reduce_seconds(num_bytes, num_workers, RingLink(bandwidth, latency)) == pytest.approx(expected)


@pytest.mark.parametrize("latency", [0.0, 1e-4, 10.0])
def test_a_link_is_found_from_the_time_that_was_measured_on_it(latency: float) -> None:
    assert all_reduce_seconds(1e8, 4, link_of(0.5, 1e8, 4, latency)) == pytest.approx(0.5)


def test_latency_that_was_measured_counts_for_each_all_reduce() -> None:
    """Of 4 workers, an all-reduce of one number is 6 messages of 1 ms; ten have these ten times, and the bytes once."""
    link = link_of(0.5, 1e8, 4, 0.006)
    assert link.latency == pytest.approx(0.001)
    assert all_reduce_seconds(1e8, 4, link, 10) == pytest.approx(0.5 + 9 * 0.006)
    assert all_reduce_seconds(0.0, 2, link, 10) == pytest.approx(0.02)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="bandwidth must be above 0"):
        RingLink(0.0, 0.0)
    with pytest.raises(ValueError, match="at least 1"):
        all_reduce_seconds(1.0, 0, RingLink(1.0, 0.0))
    with pytest.raises(ValueError, match="times must be at least 1, got 2 and 0"):
        all_reduce_seconds(1.0, 2, RingLink(1.0, 0.0), 0)
    with pytest.raises(ValueError, match="at least 2 workers"):
        link_of(1.0, 1.0, 1, 0.0)
    with pytest.raises(ValueError, match="at least one draw"):
        expected_maximum([], 2)
    with pytest.raises(ValueError, match="no step was measured"):
        outlook(MeasuredTraining(1, np.array([]), 0, 0.0, 0.0, 0.0), [1])


def test_the_slowest_of_several_is_what_drawing_them_gives() -> None:
    draw = np.random.default_rng(3)
    measured = draw.lognormal(0.0, 0.3, 200)
    for num_workers in (1, 2, 8, 32):
        simulated = draw.choice(measured, (20_000, num_workers)).max(axis=1).mean()
        assert expected_maximum(measured, num_workers) == pytest.approx(simulated, rel=0.01)
    assert expected_maximum(measured, 1) == pytest.approx(measured.mean())
    assert as_of_one(measured, 1) == pytest.approx(measured)


@pytest.mark.parametrize(("num_workers", "num_stretches"), [(1, 10), (2, 1), (4, 1), (4, 10), (16, 100)])
def test_from_what_two_wait_follows_what_more_wait_as_drawing_every_stretch_gives(
    num_workers: int, num_stretches: int
) -> None:
    draw = np.random.default_rng(4)
    stretches = draw.normal(1.0, 0.1, (4_000, num_stretches, max(2, num_workers)))
    of_two, of_all = (
        stretches[..., :number].max(axis=2).sum(axis=1).mean() - num_stretches for number in (2, num_workers)
    )
    assert waits_for_slowest(of_two, num_workers) == pytest.approx(of_all, rel=0.03, abs=0.01)


def simulated(num_workers: int, share: float, link: RingLink, draw: np.random.Generator) -> MeasuredTraining:
    """A training of 20 epochs of 50 steps, whose step takes one worker a second."""
    mine = draw.lognormal(0.0, 0.05, (20, 50, num_workers)) * (share + (1 - share) / num_workers)
    steps = mine.max(axis=2).mean(axis=1) + all_reduce_seconds(4e7, num_workers, link)
    return MeasuredTraining(num_workers, steps, 1000, 30.0, 100.0 * (share + (1 - share) / num_workers), 4e7)


def seconds(of: MeasuredTraining) -> float:
    return of.fixed_seconds + of.shared_seconds + of.num_steps * float(of.step_seconds.mean())


@pytest.mark.parametrize("share", [0.02, 0.1, 0.25])
@pytest.mark.parametrize("bandwidth", [2e9, 5e8])
def test_the_outlook_covers_trainings_by_other_numbers_of_workers(share: float, bandwidth: float) -> None:
    draw, link = np.random.default_rng(5), RingLink(bandwidth, 2e-4)
    for before in (1, 2, 4):
        measured = simulated(before, share, link, draw)
        for found in outlook(measured, (1, 2, 4, 8)):
            truth = seconds(simulated(found.num_workers, share, link, draw))
            low, middle, high = found.seconds
            assert low <= middle <= high
            slack = 1.1  # a share that was measured as a part of a smaller step
            assert low / slack <= truth <= high * slack, (before, found, truth)


def test_more_workers_take_less_time_and_more_money_and_processes_of_one_machine_gain_nothing() -> None:
    draw = np.random.default_rng(6)
    measured = simulated(1, 0.1, RingLink(1e9, 1e-4), draw)
    found = outlook(measured, (1, 2, 4, 8))
    assert [each.num_workers for each in found] == [1, 2, 4, 8]
    middles = [each.seconds[1] for each in found]
    assert middles == sorted(middles, reverse=True)
    money = [each.node_seconds[1] for each in found]
    assert money == sorted(money)
    here = outlook(MeasuredTraining(1, measured.step_seconds, 1000, 30.0, 100.0, 4e7, share_cores=True), (1, 2, 4))
    assert here[0].seconds[1] <= here[1].seconds[1] <= here[2].seconds[1]
    assert here[2].node_seconds == here[2].seconds


def test_the_number_that_was_measured_has_the_narrowest_interval() -> None:
    found = outlook(simulated(2, 0.1, RingLink(1e9, 1e-4), np.random.default_rng(8)), (1, 2, 4, 8))
    widths = {each.num_workers: each.seconds[2] / each.seconds[0] for each in found}
    assert min(widths, key=lambda number: widths[number]) == 2
    assert widths[8] > widths[4] > widths[2]
