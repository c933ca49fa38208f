"""The experiment of this room."""

from collections.abc import Sequence

from components.study.experiments.experiment import Bench, Experiment, Result


def _cost(bench: Bench) -> Sequence[Result]:
    from components.study.experiments.cost.whole_price import run_priced

    return run_priced(bench)


EXPERIMENTS = (Experiment("cost", "The price of training on the whole dataset", _cost),)
