"""A worker of MultiWorkerMirroredStrategy, or without TF_CONFIG one with two replicas; the last of all goes apart."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import keras
import numpy as np

from components.train.peers.agreement import make_agreement_check
from components.train.peers.cluster import barrier, task_of
from components.train.peers.distribution import make_strategy
from components.train.peers.rendezvous import LostPeer

tf_config = os.environ.get("TF_CONFIG", "")
_, index = task_of(tf_config)
num_workers, name = (2, "multi_worker_mirrored") if tf_config else (1, "mirrored")
strategy = make_strategy(name, index, num_workers, 1 if tf_config else 2, num_threads=1)
keras.utils.set_random_seed(0)
with strategy.scope():
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.BatchNormalization()(image)))
check = make_agreement_check(strategy, model, num_workers)


def say(step: int, mine: int) -> None:
    try:
        check(mine)
        print(f"step {step}: equal", flush=True)
    except LostPeer as error:
        print(f"step {step}: {error}", flush=True)


say(7, 7)
if index == 1 or not tf_config:
    own = strategy.experimental_local_results(model.variables[0].value)[-1]
    weights = own.numpy()
    weights[1] = np.nextafter(weights[1], 2.0)  # the smallest change that there is
    own.assign(weights)
say(8, 8)
if tf_config:
    say(9, 9 + index)
    barrier(strategy)
sys.stdout.flush()
os._exit(0)
