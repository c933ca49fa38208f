"""The experiment of this room."""

from collections.abc import Sequence

from components.study.experiments.experiment import Bench, Experiment, Result


def _scale(bench: Bench) -> Sequence[Result]:
    from components.study.experiments.scale.measured_scale import run_scale

    return run_scale(bench)


EXPERIMENTS = (Experiment("scale", "Measured and simulated numbers of workers", _scale),)
