"""The experiments of this room."""

from collections.abc import Sequence

from components.study.experiments.experiment import Bench, Experiment, Result


def _by_batch(bench: Bench) -> Sequence[Result]:
    from components.study.experiments.batch_size.learned_by_batch import run_by_batch

    return run_by_batch(bench)


def _timed(bench: Bench) -> Sequence[Result]:
    from components.study.experiments.batch_size.timed import run_timed_batches

    return run_timed_batches(bench)


EXPERIMENTS = (
    Experiment("batch_size", "Small and large batches", _by_batch),
    Experiment("batch_size_time", "The time of large batches", _timed),
)
