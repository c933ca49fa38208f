"""Arms that train in one process on generated tiles, and tables of what they learned by seed."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from components.contracts.study import RoundTable, Witness, Words
from components.study.arms.arm import Arm, Parallelism, Placement, TileSource
from components.study.arms.arm_comparison import ArmComparison
from components.study.arms.witness_check import check_witnesses
from components.study.experiments.experiment import Bench
from components.study.experiments.learning.tiles import TileSet
from components.study.results.machine import machine_digest
from components.train.settings.config import TrainConfig
from components.train.settings.train_settings import TrainSettings

# Gradient descent as the literature on parallel SGD has it: a rate, and nothing that remembers earlier gradients.
PLAIN_SGD: Mapping[str, Any] = {
    "optimizer": "SGD",
    "momentum": 0.0,
    "nesterov": False,
    "weight_decay": 0.0,
    "schedule": "constant",
    "warmup_fraction": 0.0,
    "augment": False,
    "label_mode": "single_label",
}


def learning_arm(bench: Bench, tiles: TileSet, name: str, parallelism: Parallelism | None = None, **config: Any) -> Arm:
    """Returns an arm on these tiles, with the keys of TrainConfig that are given."""
    return Arm(
        name=name,
        source=TileSource(
            dataset=tiles.sha256,
            num_tiles=len(tiles.splits["train"]),
            tile_size_px=tiles.tile_size_px,
            stored_size_px=tiles.image_size_px,
            reader="load_everything",
        ),
        training=TrainSettings(config=TrainConfig(image_size_px=tiles.image_size_px, **config), num_workers=1),
        place=Placement(machine=machine_digest(bench.machine), num_cores=max(bench.machine.num_cores, 1)),
        parallelism=parallelism or Parallelism(),
    )


def timed_arm_of(bench: Bench, tiles: TileSet, name: str, num_workers: int, num_cores: int, batch_size: int) -> Arm:
    """Returns an arm whose epochs are timed: its witness trains one, and so does each turn."""
    arm = learning_arm(bench, tiles, name, epochs=1, global_batch_size=batch_size, **PLAIN_SGD)
    return dataclasses.replace(
        arm,
        training=dataclasses.replace(arm.training, num_workers=num_workers),
        place=dataclasses.replace(arm.place, num_cores=num_cores),
    )


def with_seed(arm: Arm, seed: int) -> Arm:
    """Returns the arm with another seed."""
    config = dataclasses.replace(arm.training.config, seed=seed)
    return dataclasses.replace(arm, training=dataclasses.replace(arm.training, config=config))


def table_by_seed(
    comparison: ArmComparison,
    unit: str,
    rounds: Sequence[Sequence[float]],
    witnesses: Sequence[Mapping[str, Witness]],
    not_run: Mapping[str, Words] | None = None,
) -> RoundTable:
    """Returns a table with a row for each seed, if the arms of each seed did what they promise.

    Args:
      comparison: Its arms have the first seed.
      rounds: For each seed, a number of each arm that ran, in the order of the arms.
      witnesses: For each seed, by arm; the first are kept.

    Raises:
      SettingsError: if what arms did shows that they differ in more than the factor.
    """
    for _, found in zip(rounds, witnesses, strict=True):  # a seed without a witness would be believed
        check_witnesses(comparison, found)
    ran = [arm for arm in comparison.arms if arm.name not in (not_run or {})]
    return RoundTable(
        name=comparison.name,
        factor=comparison.factor,
        unit=unit,
        num_planned=len(rounds),
        seed=ran[0].training.config.seed if ran else 0,
        arms=tuple(arm.name for arm in ran),
        settings={arm.name: msgspec.to_builtins(arm) for arm in ran},
        has_again=False,
        rounds=tuple(tuple(row) for row in rounds),
        witnesses=dict(witnesses[0]) if witnesses else {},
        not_run=dict(not_run or {}),
    )
