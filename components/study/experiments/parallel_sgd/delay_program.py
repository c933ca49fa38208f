"""The chief of workers whose delays are counted: it makes them take steps, as in any asynchronous training.

Its arguments are the worker's spec, the number of calls whose updates count, and the file for the counts. TF_CONFIG has
the cluster.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from components import storage
from components.contracts import Manifest
from components.errors import DataError
from components.study.experiments.parallel_sgd.watched_updates import WatchedUpdates
from components.train.input.graph_reader import PlaceReader
from components.train.input.order import train_plan
from components.train.loop.unfreezing import make_rate_factor
from components.train.peers.distribution import make_strategy
from components.train.peers.server_processes import gather_servers
from components.train.settings.roles import CHIEF, tasks
from components.train.settings.worker_spec import WorkerSpec
from components.train.step.steps import Wishes
from components.train.worker.assembly import Trained, make_batch_loss, make_reader
from components.train.worker.parameter_server import connect, make_asynchronous_steps

STEPS_PER_CALL = 16  # between two of which all workers wait for the slowest


def count_delays(spec: WorkerSpec, num_calls: int) -> list[int]:
    """Returns the updates of all workers by delay; those of a first call, which compiles, do not count.

    Raises:
      LostPeer: if the servers do not come.
      DataError: if an update was not counted, or twice.
    """
    settings, config = spec.settings, spec.settings.config
    manifest = Manifest.from_json(storage.read_bytes(spec.manifest_uri), spec.manifest_uri)
    others = [f"{job} {index}" for job, index in tasks(settings.strategy, settings.num_workers) if job != CHIEF]
    servers = gather_servers(spec, others)
    make_strategy(settings.strategy, 0, settings.num_workers, spec.num_replicas, spec.num_threads)
    coordinator = connect()
    with coordinator.strategy.scope():
        trained = Trained.build(spec, manifest)
        watched = WatchedUpdates(trained)
    reader = make_reader(spec, manifest, "train")
    rate_factor = make_rate_factor(trained.model, config)
    num_steps = (1 + num_calls) * STEPS_PER_CALL
    take = make_asynchronous_steps(
        spec, coordinator, watched.trained, make_batch_loss(spec, manifest), None, reader, num_steps, rate_factor
    )
    batches = _batches(spec, manifest, num_steps)
    for first in range(0, num_steps, STEPS_PER_CALL):
        take(batches[first : first + STEPS_PER_CALL], first, Wishes())
        if first == 0:
            watched.start()
    counts: list[int] = watched.counts().tolist()
    if sum(counts) != (made := settings.num_workers * num_calls * STEPS_PER_CALL):
        raise DataError(f"each of {made} updates must be counted once, got {sum(counts)} counts")
    servers.release()
    return counts


def _batches(spec: WorkerSpec, manifest: Manifest, num_steps: int) -> list[Any]:
    """Returns the places of as many global batches, over as many epochs as it takes."""
    reader = make_reader(spec, manifest, "train")
    places = PlaceReader(reader.index, reader.bands, reader.num_classes, reader.image_size_px, reader.ratio)
    size, plans = spec.settings.config.global_batch_size, list[np.ndarray]()
    while sum(map(len, plans)) < num_steps:
        plans.append(train_plan(len(reader.index), size, 0, 1, spec.settings.config.seed, len(plans)))
    return [batch for _, batch in places.batches(np.concatenate(plans)[:num_steps])]


def run_chief(arguments: Sequence[str]) -> None:
    """Counts, and writes the counts as JSON."""
    spec_path, num_calls, answer = arguments
    counts = count_delays(WorkerSpec.read(spec_path), int(num_calls))
    Path(answer).write_bytes(msgspec.json.encode(counts))


if __name__ == "__main__":
    run_chief(sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # the threads of the coordinator would hold up a normal exit
