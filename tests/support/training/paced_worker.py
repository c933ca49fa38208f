"""One of two workers that train in lockstep, with calls that grow as fast as they can; prints how long they were.

Arguments: the folder with the dataset, and steps_per_call. TF_CONFIG tells the worker its place.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from train_fixtures import TUNING
from worker_specs import worker_spec

from components.contracts import Manifest
from components.train.checkpoint.checkpoints import TrainingState
from components.train.input.reader import Batch
from components.train.loop import loop
from components.train.loop.pace import Limits
from components.train.loop.when_to_end import TimeBudget
from components.train.peers.distribution import make_strategy
from components.train.settings.config import TrainConfig
from components.train.step.steps import Wishes
from components.train.worker.assembly import lockstep_trainee, make_reader


def main() -> None:
    """Trains, and writes one line: the number of steps of each call, and a digest of the weights."""
    root, steps_per_call = Path(sys.argv[1]), int(sys.argv[2])
    worker = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    loop.LIMITS = Limits(call_seconds=1e9, short_step_seconds=1e9, saved_seconds=1e9, measured_steps=1)
    strategy = make_strategy("multi_worker_mirrored", worker, 2, 1, 1)
    tf.config.experimental.enable_op_determinism()
    config = TrainConfig(**{**TUNING, "epochs": 2, "steps_per_call": steps_per_call})
    spec = worker_spec(
        root, config=config, keep_checkpoints=2, num_threads=1, num_workers=2, strategy="multi_worker_mirrored"
    )
    manifest = Manifest.read(spec.manifest_uri)
    readers = {split: make_reader(spec, manifest, split) for split in ("train", "val")}
    budget = TimeBudget(0.0, time.monotonic())
    trainee = lockstep_trainee(spec, manifest, worker, strategy, readers, budget, lambda: False, lambda: None)
    lengths, take = [], trainee.train_steps

    def counted(batches: Sequence[Batch], global_step: int, wishes: Wishes) -> tuple[list[float], Wishes]:
        lengths.append(len(batches))
        return take(batches, global_step, wishes)

    object.__setattr__(trainee, "train_steps", counted)
    loop.run_epochs(trainee, TrainingState())
    trainee.writer.wait()
    digest = hashlib.sha256(b"".join(variable.numpy().tobytes() for variable in trainee.model.variables)).hexdigest()
    print(json.dumps([lengths, digest]), flush=True)
    os._exit(0)  # the collectives of a peer that ended first could hang


main()
