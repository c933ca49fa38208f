"""Kubernetes settings of the steps' pods. `kfp.local` ignores all of them.

Retries are left out on purpose. Kubeflow's own workflow defaults restart a lost pod, and only a lost pod, up to twice.
`set_retry` would not add exit codes to that; it would only make a failed step wait for its backoff.
"""

from collections.abc import Sequence
from typing import Any

from kfp import kubernetes

from components import environment
from pipeline.parameters import VOLUME_PATH

_SETTINGS_CONFIG_MAP = "agrivision"
_S3_SECRET = "agrivision-s3"


def ask_for(task: Any, cpu: str, memory: str, most_memory: str) -> None:
    """Requests the minimum a step's pod needs, as Kubernetes quantities; it may use idle cores beyond that.

    Args:
      task: The step.
      cpu: Cores at least.
      memory: At least.
      most_memory: At which Kubernetes ends the pod: a tile that takes more must not take the node.
    """
    task.set_cpu_request(cpu)
    task.set_memory_request(memory)
    task.set_memory_limit(most_memory)


def restrict(task: Any) -> None:
    """Says that a step's pod is not root, which is all that the policy `restricted` of a namespace misses in it."""
    kubernetes.set_security_context(task, run_as_non_root=True)


def mount(task: Any, volume_claim: Any) -> None:
    """Mounts a volume claim in a step's pod, at the same path in every step."""
    kubernetes.mount_pvc(task, pvc_name=volume_claim, mount_path=VOLUME_PATH)


def read_cluster_settings(task: Any) -> None:
    """Puts the cluster's settings, if its namespace has any, into a step's environment."""
    _use_settings(task, environment.CLUSTER_SETTINGS)


def read_s3_settings(task: Any) -> None:
    """Puts the address and credentials of an s3:// source, if there are any, into a step's environment."""
    _use_settings(task, environment.S3_SETTINGS)
    names = {name: name for name in environment.S3_CREDENTIALS}
    kubernetes.use_secret_as_env(task, _S3_SECRET, names, optional=True)


def _use_settings(task: Any, names: Sequence[str]) -> None:
    kubernetes.use_config_map_as_env(task, _SETTINGS_CONFIG_MAP, {name: name for name in names}, optional=True)
