"""An arm whose epochs are timed, in a process of its own: the project's own training steps on tiles in memory.

Several workers are replicas on one processor, a core each, which average their gradients after each step as processes
do; so what they send goes through memory, which flatters them.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np
import tensorflow as tf

from components.contracts.study import Finding, RoundTable, Witness, Words
from components.study.arms.arm import Arm
from components.study.arms.arm_comparison import ArmComparison
from components.study.arms.recording import WitnessRecorder
from components.study.experiments.arm_device import hide_other_devices
from components.study.experiments.experiment import Bench, Preset
from components.study.experiments.learning.sizes import preset_tiles
from components.study.experiments.learning.tiles import CLASSES, SplitTiles, TileSet
from components.study.experiments.start import program_arguments
from components.study.protocol.arm_process import serve_arm, stopped_arm
from components.study.protocol.measure_arms import NotRunHereError, measure_arms
from components.study.protocol.plan import Plan
from components.train.input.order import batch_positions
from components.train.input.reader import Batch
from components.train.model.model import build_model
from components.train.peers.distribution import make_strategy
from components.train.step.objective import make_loss
from components.train.step.optimizer import Optimizer
from components.train.step.steps import Wishes, make_train_steps

_MODULE = "components.study.experiments.learning.timed_arm"


def measure_epochs(bench: Bench, comparison: ArmComparison) -> RoundTable:
    """Returns the seconds of an epoch of each arm, in rounds; an arm that needs more cores is not run here."""
    bench.folder.mkdir(parents=True, exist_ok=True)

    def open_arm(arm: Arm) -> Any:
        if arm.place.num_cores > bench.machine.num_cores:
            need, got = arm.place.num_cores, bench.machine.num_cores
            raise NotRunHereError(
                Words(
                    english=f"{arm.name} need {need} cores, and this machine has {got}",
                    spanish=f"{arm.name} necesita {need} núcleos y esta máquina tiene {got}",
                )
            )
        path = bench.folder / f"{comparison.name}-{arm.name.replace(' ', '-')}.json"
        preset = msgspec.to_builtins(bench.preset)
        path.write_text(json.dumps({"arm": msgspec.to_builtins(arm), "preset": preset}))
        return stopped_arm(arm, program_arguments(_MODULE, str(path)))

    table = measure_arms(comparison, Plan(num_rounds=bench.preset.rounds), open_arm)
    bench.say(f"{comparison.name}: {len(table.rounds)} rounds")
    return table


def timed_finding(claim: str, table: RoundTable, comparison: ArmComparison) -> Finding:
    """Returns the finding of the first arm against the second."""
    first, second = (arm.name for arm in comparison.arms)
    return Finding(claim=claim, table=table.name, arms=(first, second))


class TimedTraining:
    """Trains epochs of an arm.

    Attributes:
      model: What is trained, a keras.Model.
    """

    def __init__(self, arm: Arm, tiles: TileSet) -> None:
        self._arm, self._train, self._dataset = arm, tiles.splits["train"], tiles.sha256
        config, num_replicas = arm.training.config, arm.training.num_workers
        kind = "mirrored" if num_replicas > 1 else "one_device"
        strategy = make_strategy(kind, 0, 1, num_replicas, arm.place.num_cores)
        tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(config.seed)
        with strategy.scope():
            self.model = build_model(
                config.backbone, tiles.image_size_px, len(CLASSES), *tiles.statistics(self._train.image.shape[-1])
            )
            optimizer = Optimizer(config, self.model.trainable_variables)
        loss = make_loss(config, np.ones(len(CLASSES), np.float32), single_label=True)
        size = config.global_batch_size
        self._batches = [np.arange(first, first + size) for first in range(0, len(self._train) // size * size, size)]
        positions = batch_positions(size, 0, 1)
        num_steps = config.epochs * len(self._batches)
        self._take = make_train_steps(strategy, self.model, optimizer, None, config, loss, positions, num_steps)

    def epoch(self) -> list[float]:
        """Trains an epoch and returns the loss of each step."""
        return [self._take([_batch(self._train, rows)], 0, Wishes())[0][0] for rows in self._batches]

    def witness(self) -> Witness:
        """Trains all epochs of the arm, and returns what was done."""
        recorder = WitnessRecorder(dataset=self._dataset, machine=self._arm.place.machine, reads_same_pixels=True)
        recorder.add_weights((variable.path, variable.numpy()) for variable in self.model.trainable_variables)
        for _ in range(self._arm.training.config.epochs):
            for rows, loss in zip(self._batches, self.epoch(), strict=True):
                names = [self._train.names[row] for row in rows]
                recorder.add_batch(names, self._train.image[rows], self._train.labels[rows])
                recorder.add_loss(loss)
        return recorder.witness()

    def turn(self) -> float:
        """Trains an epoch and returns its seconds."""
        start = time.perf_counter()
        self.epoch()
        return time.perf_counter() - start


def _batch(tiles: SplitTiles, rows: Any) -> Batch:
    image = tiles.image[rows]
    parts = (tf.constant(image[..., :3]), tf.constant(image[..., 3:]))
    valid = np.packbits(tiles.cover[rows][..., 0], axis=-1)
    return Batch(parts, tf.constant(valid), tf.constant(tiles.labels[rows]), np.ones(len(rows), np.float32))


def serve_timed_arm(arguments: Sequence[str]) -> None:
    """Serves the arm of a file: its settings, and the preset whose tiles it trains on."""
    given = json.loads(Path(arguments[0]).read_text())
    arm, preset = msgspec.convert(given["arm"], Arm), msgspec.convert(given["preset"], Preset)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arm.place.num_cores])
    hide_other_devices(arm)  # else replicas that are to have a core each would take GPUs
    training = TimedTraining(arm, preset_tiles(preset))
    serve_arm(training.witness, training.turn)


if __name__ == "__main__":
    serve_timed_arm(sys.argv[1:])
