"""The experiments of this room."""

from collections.abc import Sequence

from components.study.experiments.experiment import Bench, Experiment, Result


def _hybrid(bench: Bench) -> Sequence[Result]:
    from components.study.experiments.hybrid.shares import run_hybrid

    return run_hybrid(bench)


EXPERIMENTS = (Experiment("hybrid", "Hybrid parallelism and its premise", _hybrid),)
