"""A worker of MultiWorkerMirroredStrategy that takes one step, and counts how often that exchanges something."""

import inspect
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import numpy as np
import tensorflow as tf

from components.train.input.order import batch_positions
from components.train.input.reader import Batch
from components.train.model.batch_norm import num_exchanges
from components.train.model.model import build_model
from components.train.peers.cluster import barrier, task_of
from components.train.peers.distribution import make_strategy
from components.train.settings.config import TrainConfig
from components.train.step.objective import make_loss
from components.train.step.optimizer import Optimizer
from components.train.step.steps import Wishes, make_train_steps
from components.train.worker.worker import OWN_REDUCES

CONFIG = TrainConfig(backbone="small", image_size_px=32, global_batch_size=4)
NUM_CLASSES, NUM_WORKERS = 2, 2

_, index = task_of(os.environ["TF_CONFIG"])
strategy = make_strategy("multi_worker_mirrored", index, NUM_WORKERS, 1, num_threads=1)
side = CONFIG.image_size_px
with strategy.scope():
    model = build_model(CONFIG.backbone, side, NUM_CLASSES, [0.4] * 3, [0.2] * 3)
    optimizer = Optimizer(CONFIG, model.trainable_variables)
loss = make_loss(CONFIG, np.ones(NUM_CLASSES, np.float32), single_label=False)
positions = batch_positions(CONFIG.global_batch_size, index, NUM_WORKERS)
take_steps = make_train_steps(strategy, model, optimizer, None, CONFIG, loss, positions, 1)

mine = len(positions)
valid = tf.fill([mine, side, side // 8], tf.constant(255, tf.uint8))
batch = Batch((tf.zeros([mine, side, side, 3], tf.uint8),), valid, tf.zeros([mine, NUM_CLASSES]), np.ones(mine))
take_steps([batch], 0, Wishes())

one_step = inspect.getclosurevars(take_steps).nonlocals["compiled"]
(step,) = inspect.getclosurevars(one_step).nonlocals["compiled"]
kinds = [operation.type for operation in step.graph.get_operations()]
counted = sum(kind.startswith("CollectiveReduce") for kind in kinds)
print(f"counted {counted}, told {OWN_REDUCES + num_exchanges(model)}", flush=True)
barrier(strategy)
os._exit(0)
