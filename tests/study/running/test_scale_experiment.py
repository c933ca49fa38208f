"""The experiment of scale: what it foresees from one worker's steps, and what it shows."""

import dataclasses
import time

import msgspec
import pytest
from fake_experiments import TINY
from study_findings import MACHINE

from components.contracts.study import Curve, Matrix
from components.scaling.checkpointing import daly_interval
from components.scaling.ring import RingLink
from components.study.experiments.experiment import Bench
from components.study.experiments.scale.advised_workers import ASSUMED, advice_table, advise_workers
from components.study.experiments.scale.all_experiments import EXPERIMENTS
from components.study.experiments.scale.measured_scale import foresee, run_scale, scale_results, wait_of_two
from components.study.experiments.scale.scale_training import TrainedOnce
from components.study.protocol.measure_arms import NotRunHereError


def trained(step, epoch=0.0, reduce=0.0):
    return TrainedOnce(epoch, (step, step), reduce, 4e6)


def bench_of(tmp_path, lines=None, machine=MACHINE, name="ci"):
    say = (lines if lines is not None else []).append
    return Bench(dataclasses.replace(TINY, name=name), tmp_path, say, machine)


def test_an_epoch_is_foreseen_from_parts_of_a_batch_side_by_side_all_reduces_of_as_many_and_what_two_wait():
    parts = {4: [[trained(0.6)] * 4], 2: [[trained(0.55)] * 2], 1: [[trained(1.0)]]}
    taken = {2: [trained(0.67, reduce=0.02)], 4: [trained(9.9, reduce=0.05)]}

    found = foresee(parts, taken, num_tiles=330, batch=32)

    assert wait_of_two(parts, taken) == pytest.approx(0.1)
    assert [*found] == [1, 2, 4]
    assert found[1].seconds == pytest.approx((10.0,) * 3)  # ten steps; the tiles that are left come in another epoch
    assert found[2].seconds == pytest.approx((6.7,) * 3)  # as it was told
    # The largest of four normal draws is 1.0294 above the mean, that of two 0.5642.
    assert found[4].seconds == pytest.approx((10 * (0.6 + 0.05 + 0.1 * 1.0294 / 0.5642),) * 3, rel=1e-3)


def test_two_that_are_faster_together_than_apart_wait_for_nothing():
    assert wait_of_two({2: [[trained(0.5)] * 2]}, {2: [trained(0.4, reduce=0.02)]}) == 0.0
    assert wait_of_two({1: [[trained(0.5)]]}, {1: [trained(0.5)]}) == 0.0


def test_a_step_with_many_exchanges_has_the_latency_of_each():
    part = dataclasses.replace(trained(0.5), reduces_per_step=10)
    taken = [dataclasses.replace(trained(9.9, reduce=0.02), reduce_latency_seconds=0.004)]

    (found,) = foresee({4: [[part] * 4]}, {4: taken}, num_tiles=320, batch=32).values()

    assert found.seconds == pytest.approx((10 * (0.5 + 0.02 + 9 * 0.004),) * 3)


def test_a_machine_that_is_slower_at_one_time_makes_the_band_wider_and_nobody_wait():
    launches = [[trained(step)] * 2 for step in (0.4, 0.5, 0.6)]

    (found,) = foresee({2: launches}, {2: [trained(0.52, reduce=0.02)]}, num_tiles=320, batch=32).values()

    assert found.seconds == pytest.approx((4.2, 5.2, 6.2))


def test_what_was_measured_is_shown_beside_what_was_foreseen(tmp_path):
    found = foresee({1: [[trained(1.0)]], 2: [[trained(0.6)] * 2]}, {}, num_tiles=320, batch=32)
    lines = []
    results = scale_results({1: [10.0, 10.5, 9.5], 2: [8.0, 8.1, 7.9]}, found, bench_of(tmp_path, lines))

    measured, simulated = (each for each in results if isinstance(each, Curve))
    assert (measured.x, measured.y, measured.low, measured.high) == ((1, 2), (10.0, 8.0), (9.5, 7.9), (10.5, 8.1))
    assert simulated.y == pytest.approx((10.0, 6.06), rel=0.01)
    (apart,) = (each for each in results if isinstance(each, Matrix))
    assert apart.values[0] == pytest.approx((1.0, 0.7575), rel=0.01)
    assert [line.partition("measured ")[2] for line in lines] == ["1.00, within 10 %", "0.76, not within 10 %"]


def advised(bandwidth):
    return advice_table(advise_workers([trained(0.2)], RingLink(bandwidth, 1e-4), 32))


def test_each_number_of_workers_has_time_efficiency_price_and_interval():
    start = time.perf_counter()
    table = advised(1e9)
    seconds = time.perf_counter() - start

    assert table.rows == ("1", "2", "4", "8", "16", "32", "64", "128", "256")
    hours, efficiency, cost, minutes, _ = zip(*table.values, strict=True)
    # One worker takes as many steps of 0.2 s, and waits 5 s at each checkpoint; a loss or two cost little more.
    assert hours[0] == pytest.approx(10_000_000 / 32 * 0.2 / 3600, rel=0.05)
    assert hours[0] > 10_000_000 / 32 * 0.2 / 3600
    assert list(hours) == sorted(hours, reverse=True)
    for number, each in zip((2**power for power in range(9)), table.values, strict=True):
        assert each[1] == pytest.approx(hours[0] / (number * each[0]))
        assert each[2] == pytest.approx(each[0] * number * 0.13402)
        mtbf = ASSUMED.mtbf_seconds / number
        assert each[3] * 60 == pytest.approx(daly_interval(ASSUMED.checkpoint_seconds, mtbf))
    assert efficiency[0] == 1.0
    assert list(cost) == sorted(cost)
    assert list(minutes) == sorted(minutes, reverse=True)
    assert table.is_measured
    assert seconds < 5  # a fifth of a second alone


@pytest.mark.parametrize(("bandwidth", "number"), [(1e12, 256), (2e8, 128), (5e7, 2), (1e6, 1)])
def test_the_fastest_number_that_is_efficient_is_advised(bandwidth, number):
    """Of a step of 0.2 s, N workers wait 2 (N - 1) / N * 4 MB / bandwidth + 2 (N - 1) * 0.1 ms, and at most 30 %."""
    table = advised(bandwidth)

    assert [row for row, values in zip(table.rows, table.values, strict=True) if values[-1]] == [f"{number}"]


@pytest.mark.parametrize(
    ("name", "num_cores", "reason"), [("gpu", 8, "need a pool of nodes"), ("ci", 1, "need two cores")]
)
def test_what_cannot_run_here_is_not_measured(tmp_path, name, num_cores, reason):
    machine = msgspec.structs.replace(MACHINE, num_cores=num_cores)
    with pytest.raises(NotRunHereError, match=reason):
        EXPERIMENTS[0].run(bench_of(tmp_path, machine=machine, name=name))


@pytest.mark.long
def test_workers_of_this_machine_are_measured(tmp_path):
    bench = bench_of(tmp_path)
    tiny = dataclasses.replace(
        bench, preset=dataclasses.replace(bench.preset, rounds=1, num_tiles=120, tile_size_px=64)
    )

    finding, table, *shapes = run_scale(tiny)

    assert finding.arms == ("one worker", "two workers")
    assert len(table.rounds) == table.num_planned == 1
    assert all(value > 0 for value in table.rounds[0])
    assert len(shapes) == 4
    assert shapes[-1].name == "advised_workers"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
