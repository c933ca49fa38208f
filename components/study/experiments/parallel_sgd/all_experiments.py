"""The experiments of this room."""

from components.study.experiments.experiment import Experiment, ImportedWhenRun

_ROOM = "components.study.experiments.parallel_sgd"
EXPERIMENTS = (
    Experiment("parallel_sgd", "Averaged and delayed SGD", ImportedWhenRun(f"{_ROOM}.simulated:run_simulated")),
    Experiment("parallel_sgd_time", "The time of averaged SGD", ImportedWhenRun(f"{_ROOM}.timed:run_timed_workers")),
)
