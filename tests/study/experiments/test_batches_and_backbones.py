"""The noise scale of a gradient that is known, and the cells of backbones that a machine can run."""

import importlib
import math

import msgspec
import numpy as np
import pytest
from study_tables import CLAIMS
from tiny_bench import TINY, tiny_bench

from components.contracts.study import Finding
from components.study.experiments.batch_size.noise_scale import noise_scale

ROOMS = ("backbones", "batch_size", "hybrid", "parallel_sgd")
OURS = {
    "augmentation",
    "backbones",
    "batch_size",
    "batch_size_time",
    "epochs",
    "hybrid",
    "parallel_sgd",
    "parallel_sgd_time",
}


def experiments():
    rooms = [importlib.import_module(f"components.study.experiments.{room}.all_experiments") for room in ROOMS]
    return [experiment for room in rooms for experiment in room.EXPERIMENTS]


def without_measured(results):
    """The results, but of what was measured only the name."""
    return [each.name if getattr(each, "is_measured", False) else each for each in results]


def test_the_noise_scale_is_that_of_a_planted_gradient():
    """Gradients of tiles are normal around a known one: B_simple is the trace of their covariance / its square."""
    rng, num_weights, deviation = np.random.default_rng(0), 200, 0.5
    true = rng.normal(size=num_weights)
    planted = num_weights * deviation**2 / float(true @ true)
    norms = {
        size: [
            float(np.square(true + rng.normal(size=num_weights) * deviation / math.sqrt(size)).sum())
            for _ in range(20_000)
        ]
        for size in (2, 8)
    }

    assert noise_scale(norms[2], norms[8], 2, 8) == pytest.approx(planted, rel=0.05)


@pytest.mark.parametrize(("small", "big"), [([8.0], [1.0]), ([1.0], [2.0])])
def test_a_gradient_that_is_noise_alone_or_none_has_no_scale(small, big):
    assert noise_scale(small, big, 8, 64) is None


def test_every_claim_of_these_experiments_has_one_and_they_load_no_tensorflow_before_they_run():
    assert {experiment.name for experiment in experiments()} == OURS
    assert len([claim for claim in CLAIMS.claims if claim.experiment in OURS]) == 14


@pytest.mark.parametrize(
    ("preset", "accelerators", "runs"),
    [
        ("ci", (), {"small"}),
        ("laptop", (), {"small", "mobilenet_v2"}),
        ("gpu", (), set()),
        ("gpu", ("Tesla T4",), None),  # all
    ],
)
def test_cells_that_cannot_run_here_are_none(tmp_path, preset, accelerators, runs):
    from components.study.experiments.backbones.cells import CELLS, runs_here
    from components.study.experiments.experiment import Bench
    from components.train.settings.backbones import BACKBONES

    bench = tiny_bench(tmp_path)
    machine = msgspec.structs.replace(bench.machine, accelerators=accelerators)
    here = Bench(msgspec.convert({**msgspec.to_builtins(TINY), "name": preset}, type(TINY)), tmp_path, print, machine)
    found = {cell.backbone for cell in CELLS if runs_here(cell, here)}

    assert found == (set(BACKBONES) if runs is None else runs)


@pytest.mark.long
@pytest.mark.parametrize("name", ["augmentation", "backbones", "batch_size", "parallel_sgd"])
def test_an_experiment_finds_the_same_twice(tmp_path, name):
    experiment = next(each for each in experiments() if each.name == name)
    one, other = (experiment.run(tiny_bench(tmp_path)) for _ in range(2))
    asked = {claim.id for claim in CLAIMS.claims if claim.experiment == name}

    assert without_measured(one) == without_measured(other)
    assert {each.claim for each in one if isinstance(each, Finding)} == asked


@pytest.mark.long
@pytest.mark.parametrize("name", ["batch_size_time", "parallel_sgd_time"])
def test_epochs_are_timed_in_processes_whose_arms_did_the_same(tmp_path, name):
    experiment = next(each for each in experiments() if each.name == name)
    table, finding = experiment.run(tiny_bench(tmp_path))

    assert table.has_again
    assert len(table.rounds) == TINY.rounds
    assert finding.arms == table.arms
