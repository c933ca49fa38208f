"""The experiments of this room."""

from components.study.experiments.experiment import Experiment, ImportedWhenRun

_ROOM = "components.study.experiments.backbones"
EXPERIMENTS = (
    Experiment("backbones", "Backbones, bands and augmentation", ImportedWhenRun(f"{_ROOM}.by_network:run_by_network")),
    Experiment("augmentation", "Augmentation", ImportedWhenRun(f"{_ROOM}.augmentation:run_augmentation")),
    Experiment("epochs", "Few and many epochs", ImportedWhenRun(f"{_ROOM}.overfitting:run_overfitting")),
)
