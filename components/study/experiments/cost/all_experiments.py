"""The experiment of this room."""

from components.study.experiments.experiment import Experiment, ImportedWhenRun

_ROOM = "components.study.experiments.cost"
EXPERIMENTS = (
    Experiment(
        "cost", "The price of training on the whole dataset", ImportedWhenRun(f"{_ROOM}.whole_price:run_priced")
    ),
)
