"""The experiments of this room."""

from collections.abc import Sequence

from components.study.experiments.experiment import Bench, Experiment, Result


def _by_batch(bench: Bench) -> Sequence[Result]:
    from components.study.experiments.batch_size.learned_by_batch import run_by_batch

    return run_by_batch(bench)


EXPERIMENTS = (Experiment("batch_size", "Small and large batches", _by_batch),)
