"""The experiment of this room."""

from components.study.experiments.experiment import Experiment, ImportedWhenRun

_ROOM = "components.study.experiments.scale"
EXPERIMENTS = (
    Experiment(
        "scale", "Measured and simulated numbers of workers", ImportedWhenRun(f"{_ROOM}.measured_scale:run_scale")
    ),
)
