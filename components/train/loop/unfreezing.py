"""Decides which part of a pretrained backbone learns in which epoch, and how fast.

Everything depends only on the configuration and the epoch, so a resumed training needs no state for it, and all workers
get the same result.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from components.train.input.reader import Batch
from components.train.model.model import backbone_of
from components.train.model.stem import WidenedConv2D
from components.train.settings.backbones import BACKBONES
from components.train.settings.config import TrainConfig
from components.train.step.steps import TrainSteps, Wishes


def num_unfrozen(config: TrainConfig, epoch: int) -> int:
    """Returns the stage of an epoch: how many of the backbone's blocks learn, counted from the last one."""
    num_blocks = len(BACKBONES[config.backbone].blocks)
    if epoch < config.freeze_epochs:
        return 0
    if not config.unfreeze_every_epochs:
        return num_blocks
    return min(num_blocks, 1 + (epoch - config.freeze_epochs) // config.unfreeze_every_epochs)


def begins_stage(config: TrainConfig, epoch: int) -> bool:
    """Returns whether an epoch trains different blocks than the epoch before."""
    return epoch == 0 or num_unfrozen(config, epoch) != num_unfrozen(config, epoch - 1)


def steps_left_in_stage(config: TrainConfig, steps_per_epoch: int, epoch: int, step: int) -> int:
    """Returns the steps from step `step` of an epoch on that train the same blocks."""
    until = next((later for later in range(epoch + 1, config.epochs) if begins_stage(config, later)), config.epochs)
    return (until - epoch) * steps_per_epoch - step


def block_of(layer_name: str, blocks: Sequence[str]) -> int:
    """Returns the index of the first block that matches the layer's name.

    Raises:
      ValueError: If no block matches.
    """
    for number, pattern in enumerate(blocks):
        if re.search(pattern, layer_name):
            return number
    raise ValueError(f"layer {layer_name!r} is in none of the blocks {', '.join(blocks)}")


def enter_stage(model: Any, config: TrainConfig, unfrozen: int) -> None:
    """Sets `model.trainable_variables` for a stage in which `unfrozen` blocks learn, see num_unfrozen.

    Frozen batch normalisation works as in inference, even in training: its moving statistics belong to the published
    weights. A function that was traced in another stage does not see the change; trace one for each stage.

    Args:
      model: From build_model.
      config: The model's tuning.
      unfrozen: Number of blocks that learn.
    """
    blocks = BACKBONES[config.backbone].blocks
    for layer in backbone_of(model).layers:
        if not layer.weights:
            continue
        learns = block_of(layer.name, blocks) >= len(blocks) - unfrozen
        if isinstance(layer, WidenedConv2D):
            # The kernels of new bands are untrained: they learn with the classifier, from the first epoch on.
            for variable in layer.weights:
                variable.trainable = learns or variable is layer.new_bands
        else:
            layer.trainable = learns


def make_rate_factor(model: Any, config: TrainConfig) -> Callable[[Any], float]:
    """Returns a function from a variable of the model to its factor on the learning rate.

    Variables with published weights have `backbone_learning_rate_factor`; the classifier and the kernels of new bands,
    which start untrained, have 1.
    """
    network = backbone_of(model)
    new = [layer.new_bands for layer in network.layers if isinstance(layer, WidenedConv2D)]
    published = {id(variable) for variable in network.weights} - {id(variable) for variable in new}
    return lambda variable: config.backbone_learning_rate_factor if id(variable) in published else 1.0


def make_staged_steps(
    model: Any, config: TrainConfig, steps_per_epoch: int, make_train_steps: Callable[[], TrainSteps]
) -> TrainSteps:
    """Returns training steps that first enter the stage of their epoch, whichever step they start from.

    Args:
      model: From build_model.
      config: The model's tuning.
      steps_per_epoch: Number of steps in an epoch.
      make_train_steps: Creates steps for the variables that are trainable when it is called; called, and its result
        traced, once per stage.
    """
    made: dict[int, TrainSteps] = {}  # only of the current stage: earlier ones do not come back

    def take_steps(batches: Sequence[Batch], global_step: int, wishes: Wishes) -> tuple[list[float], Wishes]:
        stage = num_unfrozen(config, global_step // steps_per_epoch)
        if stage not in made:
            enter_stage(model, config, stage)
            made.clear()
            made[stage] = make_train_steps()
        return made[stage](batches, global_step, wishes)

    return take_steps
