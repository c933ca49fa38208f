"""The experiments of this room."""

from collections.abc import Sequence

from components.study.experiments.experiment import Bench, Experiment, Result


def _simulated(bench: Bench) -> Sequence[Result]:
    from components.study.experiments.parallel_sgd.simulated import run_simulated

    return run_simulated(bench)


EXPERIMENTS = (Experiment("parallel_sgd", "Averaged and delayed SGD", _simulated),)
