"""Creates the tf.distribute strategy that settings/strategies.py describes, one replica a device."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from components.errors import SettingsError
from components.train.settings.strategies import PARAMETER_SERVER, TPU


def make_strategy(
    name: str, worker: int, num_workers: int, num_replicas: int, num_threads: int, shares_gpus: bool = False
) -> Any:
    """Returns a new tf.distribute strategy. Call this before TensorFlow does anything else.

    Args:
      name: One of strategies.STRATEGIES.
      worker: Number of this worker.
      num_workers: Number of workers.
      num_replicas: Replicas in this worker, each on a GPU if there are any, else on a logical CPU device; 0 if only
        the strategy can tell.
      num_threads: CPU threads of this worker.
      shares_gpus: There are fewer GPUs than workers on this machine.

    Raises:
      SettingsError: If TensorFlow sees some GPUs, but fewer than replicas.
    """
    tf.config.threading.set_intra_op_parallelism_threads(num_threads)
    tf.config.threading.set_inter_op_parallelism_threads(num_threads)
    gpus, devices = tf.config.list_physical_devices("GPU"), []
    if gpus:
        # Workers on one machine take the GPUs in turn; a worker in its own pod sees only its own GPUs.
        first = worker * num_replicas % len(gpus)
        own = gpus[first : first + num_replicas]
        if len(own) < num_replicas:
            raise SettingsError(
                f"worker {worker} needs {num_replicas} GPUs, but TensorFlow sees {len(gpus)}; set "
                "CUDA_VISIBLE_DEVICES to the GPUs that it can use"
            )
        tf.config.set_visible_devices(own, "GPU")
        for gpu in own:
            tf.config.experimental.set_memory_growth(gpu, True)
        devices = [f"GPU:{number}" for number in range(len(own))]
    elif num_replicas > 1:
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(num_replicas)]
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
        devices = [f"CPU:{number}" for number in range(num_replicas)]
    return MAKERS[name](devices, bool(gpus) and not shares_gpus)


def _one_device(devices: list[str], owns_gpus: bool) -> Any:
    return tf.distribute.get_strategy()


def _mirrored(devices: list[str], owns_gpus: bool) -> Any:
    return tf.distribute.MirroredStrategy(devices)


def _multi_worker_mirrored(devices: list[str], owns_gpus: bool) -> Any:
    implementation = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(
        # NCCL does not allow two workers on one GPU.
        implementation=implementation.NCCL if owns_gpus else implementation.RING
    )
    return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)


def _tpu_of_this_host(devices: list[str], owns_gpus: bool) -> Any:
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu="local")
    try:
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (tf.errors.OpError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise SettingsError(
            f"train_strategy tpu: TensorFlow finds no TPU; is tensorflow-tpu installed? {reason}"
        ) from error
    return tf.distribute.TPUStrategy(resolver)


# Arguments: devices of the worker's replicas, and whether the worker has GPUs that it does not share.
MAKERS: dict[str, Callable[[list[str], bool], Any]] = {
    "one_device": _one_device,
    "mirrored": _mirrored,
    "multi_worker_mirrored": _multi_worker_mirrored,
    PARAMETER_SERVER: _one_device,
    TPU: _tpu_of_this_host,
}


def num_local_replicas(strategy: Any, num_workers: int) -> int:
    """Returns how many replicas of the model this worker has."""
    return int(strategy.num_replicas_in_sync) // num_workers


def share_out(strategy: Any, num_replicas: int, *tensors: Any) -> tuple[Any, ...]:
    """Returns the tensors for strategy.run, split so that each replica of this worker gets an equal, contiguous part.

    The worker's part of the global batch is contiguous too, so all replicas together see what a single one would.

    Args:
      strategy: The tf.distribute strategy.
      num_replicas: Replicas of this worker.
      tensors: [n, ...], with n a multiple of `num_replicas`.
    """
    if num_replicas == 1:
        return tensors

    def parts_of(tensor: Any) -> Any:
        parts = tf.split(tensor, num_replicas)
        return strategy.experimental_distribute_values_from_function(
            # Replica ids count over all workers; the ids of one worker are consecutive.
            lambda context: parts[context.replica_id_in_sync_group % num_replicas]
        )

    return tuple(parts_of(tensor) for tensor in tensors)
