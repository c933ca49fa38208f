"""The experiment of this room."""

from components.study.experiments.experiment import Experiment, ImportedWhenRun

_ROOM = "components.study.experiments.hybrid"
EXPERIMENTS = (
    Experiment("hybrid", "Hybrid parallelism and its premise", ImportedWhenRun(f"{_ROOM}.shares:run_hybrid")),
)
