"""The experiments of this room."""

from components.study.experiments.experiment import Experiment, ImportedWhenRun

_ROOM = "components.study.experiments.batch_size"
EXPERIMENTS = (
    Experiment("batch_size", "Small and large batches", ImportedWhenRun(f"{_ROOM}.learned_by_batch:run_by_batch")),
    Experiment("batch_size_time", "The time of large batches", ImportedWhenRun(f"{_ROOM}.timed:run_timed_batches")),
)
