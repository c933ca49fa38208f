"""The simulator agrees with what is known exactly, is fast, and advises what can be checked by hand."""

import itertools
import math
import time

import numpy as np
import pytest

from components.scaling.advice import advise
from components.scaling.checkpointing import (
    Failures,
    daly_interval,
    drawn_seconds,
    expected_seconds,
    young_interval,
)
from components.scaling.ring import RingLink
from components.scaling.simulator import Job, Workplace, simulate
from components.scaling.stragglers import expected_maximum

FAST = RingLink(1e15, 0.0)
STEPS = np.array([0.9, 1.0, 1.0, 1.1, 1.6])


def job_of(**values):
    return Job(
        **{"num_tiles": 3200, "tiles_per_step": 32, "epochs": 2, "step_seconds": STEPS, "gradient_bytes": 4e8} | values
    )


@pytest.mark.parametrize("num_workers", [1, 2, 4, 16, 64, 256])
def test_a_step_waits_for_the_slowest_worker_and_then_for_the_ring(num_workers):
    job = job_of(num_tiles=320_000, reduces_per_step=3)
    found = simulate(job, Workplace(RingLink(1e9, 1e-4)), num_workers)

    rounds = 2 * (num_workers - 1)
    reduce = rounds / num_workers * 0.4 + 3 * rounds * 1e-4
    assert found.reduce_seconds == pytest.approx(reduce)
    assert found.step_seconds == pytest.approx(expected_maximum(STEPS, num_workers) + reduce, rel=0.01)
    assert found.seconds[0] <= found.seconds[1] <= found.seconds[2]


def test_few_and_many_steps_are_drawn_from_the_same_distribution():
    few, many = (
        simulate(job_of(num_tiles=tiles), Workplace(FAST), 4, num_runs=runs)
        for tiles, runs in ((32 * 4 * 1000, 20), (32 * 4 * 1000, 200))  # 2000 steps: all drawn, and a part of them
    )

    assert few.seconds[1] == pytest.approx(many.seconds[1], rel=0.01)
    assert few.seconds[2] - few.seconds[0] == pytest.approx(many.seconds[2] - many.seconds[0], rel=0.5)


def test_ten_million_tiles_by_up_to_256_workers_take_less_than_a_second():
    failures = Failures(mtbf_seconds=30 * 86400, checkpoint_seconds=5, restart_seconds=120)
    job = job_of(num_tiles=10_000_000, epochs=10)
    seconds = []
    for _ in range(3):  # the machine may be busy
        start = time.perf_counter()
        advise(job, Workplace(RingLink(1e9, 1e-4), failures), [2**power for power in range(9)])
        seconds.append(time.perf_counter() - start)

    assert min(seconds) < 1


@pytest.mark.parametrize(("num_workers", "factor"), [(1, 1.0), (2, 1.0), (4, 2.0), (8, 4.0)])
def test_workers_of_one_machine_share_its_cores(num_workers, factor):
    alone = job_of(step_seconds=np.array([1.0]), gradient_bytes=0.0, epochs=1)
    found = simulate(alone, Workplace(FAST, num_cores=2), num_workers)

    assert found.step_seconds == pytest.approx(factor)
    assert found.node_seconds == found.seconds[1]


@pytest.mark.parametrize(
    ("work", "interval", "checkpoint", "mtbf", "restart", "num_workers"),
    [
        (3600.0, 600.0, 10.0, 3600.0, 60.0, 1),
        (3600.0, 100.0, 10.0, 36000.0, 60.0, 32),
        (36000.0, 900.0, 30.0, 86400.0, 300.0, 16),
    ],
)
def test_runs_with_failures_take_what_the_formula_says_on_average(
    work, interval, checkpoint, mtbf, restart, num_workers
):
    failures = Failures(mtbf, checkpoint, restart)
    drawn = drawn_seconds(np.full(3000, work), interval, failures, num_workers, np.random.default_rng(1))

    assert drawn.mean() == pytest.approx(expected_seconds(work, interval, failures, num_workers), rel=0.03)
    assert drawn.min() >= work


@pytest.mark.parametrize(("checkpoint", "mtbf"), [(1.0, 3600.0), (30.0, 7200.0), (120.0, 3600.0), (60.0, 86400.0)])
def test_daly_s_interval_is_as_good_as_the_best_that_a_search_finds(checkpoint, mtbf):
    failures, work = Failures(mtbf, checkpoint, 60.0), 1e7
    best = min(expected_seconds(work, each, failures, 1) for each in np.geomspace(1, 10 * mtbf, 2000))

    assert expected_seconds(work, daly_interval(checkpoint, mtbf), failures, 1) == pytest.approx(best, rel=0.001)
    assert expected_seconds(work, young_interval(checkpoint, mtbf), failures, 1) == pytest.approx(best, rel=0.02)


def test_the_intervals_are_those_of_the_papers():
    assert young_interval(30, 7200) == pytest.approx(657.267, abs=1e-3)
    assert daly_interval(30, 7200) == pytest.approx(
        657.267 * (1 + math.sqrt(30 / 14400) / 3 + 30 / 14400 / 9) - 30, abs=0.01
    )
    assert daly_interval(100, 40) == 40
    assert daly_interval(30, math.inf) == young_interval(30, math.inf) == math.inf


def test_a_training_that_fails_all_the_time_never_ends():
    found = simulate(job_of(), Workplace(FAST, Failures(1.0, 10.0, 60.0)), 64)

    assert found.seconds == (math.inf,) * 3
    assert expected_seconds(3600, 3600, Failures(1.0), 1) == math.inf


def test_more_workers_are_advised_until_waiting_takes_too_much_of_their_time():
    slow, fast = (RingLink(bandwidth, 1e-4) for bandwidth in (2e8, 1e11))
    job = job_of(num_tiles=100_000, step_seconds=np.array([1.0, 1.01]))
    numbers = [1, 2, 4, 8, 16]
    through_slow, through_fast = (advise(job, Workplace(link), numbers, price_per_hour=3.6) for link in (slow, fast))

    assert through_slow.best.simulated.num_workers == 1  # the ring takes 2 s and more, a step 1 s
    assert through_fast.best.simulated.num_workers == 16
    for each in through_fast.choices:
        assert each.cost == pytest.approx(each.simulated.node_seconds / 1000)
    costs = [each.cost for each in through_slow.choices]
    assert all(one < other for one, other in itertools.pairwise(costs))
    assert advise(job, Workplace(fast), [4]).choices[0].cost is None


def test_the_same_seed_gives_the_same_numbers():
    failures = Failures(3600.0, 5.0, 60.0)

    def run(seed):
        return simulate(job_of(), Workplace(FAST, failures), 8, seed=seed)

    assert run(1) == run(1)
    assert run(1) != run(2)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda: job_of(step_seconds=np.array([])), "needs tiles, epochs and measured steps"),
        (lambda: job_of(num_tiles=0), "needs tiles, epochs and measured steps"),
        (lambda: simulate(job_of(), Workplace(FAST), 0), "at least one worker"),
        (lambda: simulate(job_of(), Workplace(FAST), 1, interval=0), "interval must be above 0"),
        (lambda: Failures(mtbf_seconds=0), "must be above 0"),
        (lambda: Failures(restart_seconds=-1), "restart must take at least 0 s"),
        (lambda: advise(job_of(), Workplace(FAST), []), "at least one number"),
        (lambda: advise(job_of(), Workplace(FAST), [8, 4, 1]), r"from the fewest.*, got \[8, 4, 1\]"),
        (lambda: advise(job_of(), Workplace(FAST), [1, 1, 2]), r"each once, got \[1, 1, 2\]"),
        (lambda: job_of(step_seconds=np.array([1.0, math.inf])), "needs tiles, epochs and measured steps"),
        (lambda: job_of(gradient_bytes=-1e12), "must be at least 0"),
        (lambda: job_of(wait_of_two=math.nan), "must be at least 0"),
        (lambda: job_of(fixed_seconds=-math.inf), "must be at least 0"),
        (lambda: Workplace(FAST, num_cores=0), "at least one core"),
        (lambda: Workplace(FAST, num_cores=2, busy_cores=math.nan), "at least one core"),
    ],
)
def test_what_cannot_be_simulated_is_refused(broken, message):
    with pytest.raises(ValueError, match=message):
        broken()
