"""Runs one worker, from its spec to its part of the export."""

import signal
import time
from collections.abc import Callable

import tensorflow as tf

from components import storage
from components.contracts import Manifest
from components.records import tfrecords
from components.train.checkpoint.resume import restore_best, resume
from components.train.checkpoint.snapshot import named_variables
from components.train.loop import loop
from components.train.loop.when_to_end import TimeBudget
from components.train.model.batch_norm import num_exchanges
from components.train.model.export import Classifier, export
from components.train.peers import cluster
from components.train.peers.distribution import make_strategy, num_local_replicas
from components.train.peers.lifeline import Watchdog
from components.train.peers.server_processes import gather_servers
from components.train.settings.roles import CHIEF, tasks
from components.train.settings.strategies import PARAMETER_SERVER, check_replicas
from components.train.settings.worker_spec import TrainingOutcome, WorkerSpec
from components.train.worker.assembly import build, lockstep_trainee, make_average, make_reader
from components.train.worker.parameter_server import asynchronous_trainee, connect

OWN_REDUCES = 2  # of a step: of the gradients, and of the loss with the workers' wishes
# What the export takes, as measured with two backbones on idle and busy cores, in the time that it took to import
# TensorFlow, and in that to make the model; to which the loop adds part of that to compile a step. Errs high.
_ENDING_PER_IMPORT, _ENDING_PER_MODEL = 1.0, 2.5


def run_worker(spec: WorkerSpec, worker: int, started: float | None = None) -> None:
    """Trains; the chief also writes `export/` and `outcome.json` to the training's folder.

    Args:
      spec: What to do.
      worker: Number of this worker; 0 is the chief.
      started: time.monotonic() when this process started, from which on its node is paid for; None for now.

    Raises:
      DataError: If shards are damaged or the loss is not a number.
      Stopped: After SIGTERM and a checkpoint.
      LostPeer: If the workers do not meet in time.
      tf.errors.OpError: If a peer is lost during training.
    """
    settings, config = spec.settings, spec.settings.config
    now = time.monotonic()
    before = now - (started or now)
    budget = TimeBudget(settings.max_seconds, now, spec.paid_seconds, spec.spent_seconds + before)
    manifest = Manifest.from_json(storage.read_bytes(spec.manifest_uri), spec.manifest_uri)
    folder = storage.join(spec.data_root, "training", spec.training_id)
    readers = {split: make_reader(spec, manifest, split) for split in ("train", "val")}
    # Starts here, because creating the strategy waits forever for a peer that has died.
    watchdog = Watchdog(spec.stall_seconds)
    servers = None
    if settings.strategy == PARAMETER_SERVER:
        others = [f"{job} {index}" for job, index in tasks(settings.strategy, settings.num_workers) if job != CHIEF]
        servers = gather_servers(spec, others)
    elif settings.num_workers > 1:
        cluster.meet_peers(spec.rendezvous, spec.nonce, worker, settings.num_workers, spec.peer_wait_seconds)
    strategy = make_strategy(
        settings.strategy, worker, settings.num_workers, spec.num_replicas, spec.num_threads, spec.shares_gpus
    )
    # Not earlier: TensorFlow sets its own handler when it creates the strategy. Before this, SIGTERM ends the worker.
    wants_to_stop = _listen_for_sigterm()
    if servers is None:
        check_replicas(config, settings.num_workers, num_local_replicas(strategy, settings.num_workers))
        tf.config.experimental.enable_op_determinism()
        trainee = lockstep_trainee(spec, manifest, worker, strategy, readers, budget, wants_to_stop, watchdog.pat)
    else:
        trainee = asynchronous_trainee(spec, manifest, connect(), readers, budget, wants_to_stop, watchdog.pat)

    budget.ending = _ENDING_PER_IMPORT * before + _ENDING_PER_MODEL * (time.monotonic() - now)
    state = resume(strategy, trainee.writer.root, trainee.writer.variables, worker, trainee.num_workers)
    budget.resume(state.seconds)
    trainee.check_agreement(state.global_step)
    state, ended_by = loop.run_epochs(trainee, state)
    trainee.writer.wait()
    cluster.barrier(strategy)  # until all workers can read the chief's last checkpoint

    num_weights = sum(int(tf.size(variable.value)) for variable in trainee.model.trainable_variables)
    in_lockstep = servers is None and settings.num_workers > 1
    reduce_seconds = cluster.seconds_to_add_up(strategy, num_weights) if in_lockstep else 0.0
    reduce_latency_seconds = cluster.seconds_of_exchange(strategy) if in_lockstep else 0.0

    # Built outside the strategy, so that the exported graph does not contain it.
    model = build(spec, manifest, "float32")
    average = make_average(spec, model)
    restore_best(trainee.writer.root, state.best_checkpoint, named_variables(model, average=average))
    if average is not None:
        average.copy_to_model()
    ratio = tfrecords.decoder_ratio(list(manifest.tile_sizes), config.image_size_px)
    classifier = Classifier(model, spec.bands, config.image_size_px, ratio, spec.label_mode == "single_label")
    export(classifier, storage.join(folder, "export"), worker == 0)
    watchdog.pat()
    if worker == 0:
        num_parameters = sum(int(tf.size(variable.value)) for variable in model.trainable_variables)
        outcome = TrainingOutcome(
            num_parameters=num_parameters,
            ended_by=ended_by,
            best_epoch=state.best_epoch,
            history=state.history,
            device=cluster.device(),
            num_checkpoints=len(trainee.writer.stalls),
            checkpoint_stall_seconds=max(trainee.writer.stalls, default=0.0),
            reduce_seconds=reduce_seconds,
            reduce_latency_seconds=reduce_latency_seconds,
            reduces_per_step=OWN_REDUCES + num_exchanges(trainee.model) if servers is None else 0,
        )
        storage.write_bytes(storage.join(folder, "outcome.json"), outcome.to_json())
    cluster.barrier(strategy)
    if servers is not None:
        servers.release()


def _listen_for_sigterm() -> Callable[[], bool]:
    received: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    return lambda: bool(received)
