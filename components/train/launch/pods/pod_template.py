"""Renders a worker's pod, with a pure function: its command, its resources and its restrictions."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from components.train.settings.node_pools import Pool

CONTAINER = "worker"
GRACE_SECONDS = 20  # from SIGTERM to SIGKILL, for a checkpoint
_USER = 10001
_TMP = "8Gi"  # weights of a backbone and event files, before they are stored
# What a pod writes to its node's disk, /tmp and logs: beyond the limit it is evicted, and the node keeps its room.
_DISK, _MOST_DISK = "1Gi", "10Gi"
_HEARTBEAT = "/tmp/heartbeat"
_SILENT_SECONDS = 30
_PROBE_SECONDS = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorkerPod:
    """The settings of a worker's pod, the same for all workers of a training.

    Attributes:
      spec_uri: URI of the worker's WorkerSpec.
      env, volumes, volume_mounts: As in a pod; added to the pod's own.
    """

    image: str
    spec_uri: str
    pool: Pool
    service_account: str = "default"
    env: Sequence[Mapping[str, Any]] = ()
    volumes: Sequence[Mapping[str, Any]] = ()
    volume_mounts: Sequence[Mapping[str, Any]] = ()


def pod_template(pod: WorkerPod, subdomain: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """Renders the template of a Job's pods.

    Args:
      pod: The settings of the pods.
      subdomain: Name of the headless Service.
      labels: Labels of the pods.
    """
    pool = pod.pool
    volumes, mounts = [{"name": "tmp", "emptyDir": {"sizeLimit": _TMP}}], [{"name": "tmp", "mountPath": "/tmp"}]
    if pool.shared_memory:
        volumes.append({"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": pool.shared_memory}})
        mounts.append({"name": "shared-memory", "mountPath": "/dev/shm"})
    placement: dict[str, Any] = {}
    if pool.node_selector:
        placement["nodeSelector"] = dict(pool.node_selector)
    if pool.tolerations:
        placement["tolerations"] = [dict(toleration) for toleration in pool.tolerations]
    return {
        "metadata": {"labels": dict(labels)},
        "spec": {
            "restartPolicy": "Never",
            "subdomain": subdomain,
            "serviceAccountName": pod.service_account,
            # A worker does not use the API server.
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                # The group that owns the image's files, and that will own a volume's files.
                "runAsGroup": 0,
                "fsGroup": 0,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **placement,
            "containers": [
                {
                    "name": CONTAINER,
                    "image": pod.image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python", "-m", "components.train"],
                    "args": ["--spec", pod.spec_uri, "--heartbeat", _HEARTBEAT],
                    "workingDir": "/tmp",
                    "env": [
                        {"name": "PYTHONUNBUFFERED", "value": "1"},
                        {"name": "TF_CPP_MIN_LOG_LEVEL", "value": "3"},
                        *[dict(variable) for variable in pod.env],
                    ],
                    "resources": _resources(pool),
                    "livenessProbe": _liveness_probe(),
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                    },
                    "volumeMounts": [*mounts, *[dict(mount) for mount in pod.volume_mounts]],
                }
            ],
            "volumes": [*volumes, *[dict(volume) for volume in pod.volumes]],
        },
    }


def _resources(pool: Pool) -> dict[str, Any]:
    accelerators = {pool.accelerator_type: str(pool.accelerator_count)} if pool.accelerator_type else {}
    # No CPU limit: any pod may use idle cores.
    return {
        "requests": {"cpu": pool.cpu, "memory": pool.memory, "ephemeral-storage": _DISK, **accelerators},
        "limits": {"memory": pool.memory, "ephemeral-storage": _MOST_DISK, **accelerators},
    }


def _liveness_probe() -> dict[str, Any]:
    """Renders the probe for a hung worker: a healthy one touches its heartbeat file every second, however busy."""
    test = f"test $(( $(date +%s) - $(stat -c %Y {_HEARTBEAT}) )) -lt {_SILENT_SECONDS}"
    return {
        "exec": {"command": ["sh", "-c", test]},
        "initialDelaySeconds": _SILENT_SECONDS,
        "periodSeconds": _PROBE_SECONDS,
        "timeoutSeconds": _PROBE_SECONDS,
        "failureThreshold": 2,
        # A hung worker would ignore SIGTERM.
        "terminationGracePeriodSeconds": 1,
    }
