"""What Kubernetes is told about the steps' pods. `kfp.local` passes over all of it.

Nothing is said of retries. Kubeflow's own workflow defaults start a pod again that was lost, twice, and only such a
one; `set_retry` would not add exit codes to that, but make a step that has failed wait for its backoff all the same.
"""

from collections.abc import Sequence
from typing import Any

from kfp import kubernetes

from components import environment
from pipeline.parameters import VOLUME_PATH

_SETTINGS_CONFIG_MAP = "agrivision"
_S3_SECRET = "agrivision-s3"


def ask_for(task: Any, cpu: str, memory: str) -> None:
    """Requests what a step's pod needs at least, as Kubernetes quantities; it may use what is idle beyond."""
    task.set_cpu_request(cpu)
    task.set_memory_request(memory)


def mount(task: Any, volume_claim: Any) -> None:
    """Mounts a volume claim in a step's pod, at the same place in each."""
    kubernetes.mount_pvc(task, pvc_name=volume_claim, mount_path=VOLUME_PATH)


def set_pool(task: Any, accelerator_type: Any, accelerator_count: Any, node_selector: Any, tolerations: Any) -> None:
    """Sets where a step's workers run: they pass through to its TaskConfig, and do not bind the step's own pod.

    Cores and memory cannot be set so: Kubeflow takes no empty quantity for "as the profile says".
    """
    task.set_accelerator_type(accelerator_type)
    task.set_accelerator_limit(accelerator_count)
    kubernetes.add_node_selector_json(task, node_selector)
    kubernetes.add_toleration_json(task, tolerations)


def read_cluster_settings(task: Any) -> None:
    """Puts the settings of the cluster into a step's environment, as far as its namespace has any."""
    _use_settings(task, environment.CLUSTER_SETTINGS)


def read_s3_settings(task: Any) -> None:
    """Puts where an s3:// source is, and the credentials for it, into a step's environment, as far as there are any."""
    _use_settings(task, environment.S3_SETTINGS)
    names = {name: name for name in environment.S3_CREDENTIALS}
    kubernetes.use_secret_as_env(task, _S3_SECRET, names, optional=True)


def _use_settings(task: Any, names: Sequence[str]) -> None:
    kubernetes.use_config_map_as_env(task, _SETTINGS_CONFIG_MAP, {name: name for name in names}, optional=True)
