"""The experiments of this room."""

from collections.abc import Sequence

from components.study.experiments.experiment import Bench, Experiment, Result


def _by_network(bench: Bench) -> Sequence[Result]:
    from components.study.experiments.backbones.by_network import run_by_network

    return run_by_network(bench)


def _augmentation(bench: Bench) -> Sequence[Result]:
    from components.study.experiments.backbones.augmentation import run_augmentation

    return run_augmentation(bench)


def _overfitting(bench: Bench) -> Sequence[Result]:
    from components.study.experiments.backbones.overfitting import run_overfitting

    return run_overfitting(bench)


EXPERIMENTS = (
    Experiment("backbones", "Backbones, bands and augmentation", _by_network),
    Experiment("augmentation", "Augmentation", _augmentation),
    Experiment("epochs", "Few and many epochs", _overfitting),
)
