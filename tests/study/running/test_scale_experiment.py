"""The experiment of scale: what it foresees from one worker's steps, and what it shows."""

import dataclasses

import msgspec
import pytest
from fake_experiments import TINY
from study_findings import MACHINE

from components.contracts.study import Curve, Matrix
from components.study.experiments.experiment import Bench
from components.study.experiments.scale.all_experiments import EXPERIMENTS
from components.study.experiments.scale.measured_scale import foresee, run_scale, scale_results
from components.study.experiments.scale.scale_training import TrainedOnce
from components.study.protocol.measure_arms import NotRunHereError


def trained(step, epoch=0.0, reduce=0.0):
    return TrainedOnce(epoch, (step, step), reduce, 4e6)


def bench_of(tmp_path, lines=None, machine=MACHINE, name="ci"):
    say = (lines if lines is not None else []).append
    return Bench(dataclasses.replace(TINY, name=name), tmp_path, say, machine)


@pytest.mark.parametrize(("num_cores", "of_four"), [(4, 10 * 0.3 + 10 * 0.03), (2, 10 * 0.6 + 10 * 0.03)])
def test_an_epoch_is_foreseen_from_a_part_of_a_batch_alone_and_the_all_reduce_of_two(num_cores, of_four):
    parts = {1: [trained(1.0)], 2: [trained(0.55)], 4: [trained(0.3)]}
    taken = {2: [trained(9.9, reduce=0.02)]}

    found = foresee(parts, taken, num_tiles=320, batch=32, num_cores=num_cores)

    assert found[1].seconds == pytest.approx((10.0,) * 3)
    assert found[2].seconds == pytest.approx((10 * 0.55 + 10 * 0.02,) * 3)
    # Of a ring of four, (2 * 3 / 4) / (2 * 1 / 2) times the bytes of two, and three times the latency of 0.1 ms.
    assert found[4].seconds == pytest.approx((of_four,) * 3, rel=0.001)


def test_what_was_measured_is_shown_beside_what_was_foreseen(tmp_path):
    found = foresee({1: [trained(1.0)], 2: [trained(0.6)]}, {}, num_tiles=320, batch=32, num_cores=2)
    lines = []
    results = scale_results({1: [10.0, 10.5, 9.5], 2: [8.0, 8.1, 7.9]}, found, bench_of(tmp_path, lines))

    measured, simulated = (each for each in results if isinstance(each, Curve))
    assert (measured.x, measured.y, measured.low, measured.high) == ((1, 2), (10.0, 8.0), (9.5, 7.9), (10.5, 8.1))
    assert simulated.y == pytest.approx((10.0, 6.06), rel=0.01)
    (apart,) = (each for each in results if isinstance(each, Matrix))
    assert apart.values[0] == pytest.approx((1.0, 0.7575), rel=0.01)
    assert [line.partition("measured ")[2] for line in lines] == ["1.00, within 10 %", "0.76, not within 10 %"]


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
    assert len(shapes) == 3
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
