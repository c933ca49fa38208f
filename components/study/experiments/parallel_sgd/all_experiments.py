"""The experiments of this room."""

from collections.abc import Sequence

from components.study.experiments.experiment import Bench, Experiment, Result


def _simulated(bench: Bench) -> Sequence[Result]:
    from components.study.experiments.parallel_sgd.simulated import run_simulated

    return run_simulated(bench)


def _timed(bench: Bench) -> Sequence[Result]:
    from components.study.experiments.parallel_sgd.timed import run_timed_workers

    return run_timed_workers(bench)


EXPERIMENTS = (
    Experiment("parallel_sgd", "Averaged and delayed SGD", _simulated),
    Experiment("parallel_sgd_time", "The time of averaged SGD", _timed),
)
