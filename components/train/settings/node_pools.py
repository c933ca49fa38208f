"""The node pools that workers can run on, as data: the profiles of `train_profile`, and a run's changes to one.

Imports neither kfp nor kubernetes nor TensorFlow, so bad settings are rejected before anything is sent to a cluster.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from components.errors import SettingsError
from components.setting import check_settings, setting
from components.train.settings.quantities import check_quantity, in_bytes

OBJECT = "train_pool"  # of the run form, which holds these settings
GPU = "nvidia.com/gpu"
TPU = "google.com/tpu"
_ACCELERATORS = (GPU, TPU)
TPU_TOPOLOGY = "cloud.google.com/gke-tpu-topology"
_GPU_LABEL = "cloud.google.com/gke-accelerator"
_TPU_LABEL = "cloud.google.com/gke-tpu-accelerator"
_SPOT = "cloud.google.com/gke-spot"
# Labels and taints of the nodes that run the cluster itself, which no worker may share.
_CONTROL_PLANE = frozenset(f"node-role.kubernetes.io/{role}" for role in ("control-plane", "etcd", "master"))
_TOLERATION_KEYS = frozenset({"key", "operator", "value", "effect", "tolerationSeconds"})


@dataclasses.dataclass(frozen=True)
class Pool:
    """The resources that each worker requests, and the nodes it may run on.

    Attributes:
      accelerator_type: Resource name, "nvidia.com/gpu" or "google.com/tpu"; empty for none.
      accelerator_count: Accelerators per worker.
      node_selector: Labels that the node must have.
      tolerations: Taints that the node may have, as in a pod.
      cpu: Cores requested per worker, a Kubernetes quantity such as "500m" or "2". A worker may also use idle cores.
      memory: Memory request and limit per worker, a quantity such as "8Gi".
      shared_memory: Size of the worker's own /dev/shm, which NCCL needs; counts towards `memory`; empty for the
        container runtime's 64 MB.
    """

    cpu: str
    memory: str
    shared_memory: str = ""
    accelerator_type: str = ""
    accelerator_count: int = 0
    node_selector: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()


def _gpu(name: str, count: int, cpu: str, memory: str) -> Pool:
    return Pool(cpu, memory, "8Gi", GPU, count, {_GPU_LABEL: name}, (_exists(GPU),))


def _tpu(name: str, topology: str, count: int, cpu: str, memory: str) -> Pool:
    return Pool(cpu, memory, "8Gi", TPU, count, {_TPU_LABEL: name, TPU_TOPOLOGY: topology}, (_exists(TPU),))


def _exists(key: str) -> dict[str, str]:
    return {"key": key, "operator": "Exists", "effect": "NoSchedule"}


def _on_spot(pool: Pool) -> Pool:
    spot = {"key": _SPOT, "operator": "Equal", "value": "true", "effect": "NoSchedule"}
    return dataclasses.replace(
        pool, node_selector={**pool.node_selector, _SPOT: "true"}, tolerations=(*pool.tolerations, spot)
    )


# Labels and taints are those of GKE's nodes. Cores and memory fit what pods can use on the smallest machine that has
# the accelerator: g2-standard-8, a2-highgpu-1g, a2-ultragpu-1g, ct5lp-hightpu-4t, ct6e-standard-4t.
_L4 = _gpu("nvidia-l4", 1, "6", "24Gi")
_A100 = _gpu("nvidia-tesla-a100", 1, "10", "72Gi")
_V5E = _tpu("tpu-v5-lite-podslice", "2x2", 4, "64", "128Gi")
PROFILES: dict[str, Pool] = {
    "cpu": Pool("500m", "2Gi"),
    "gke-gpu-l4": _L4,
    "gke-gpu-l4-spot": _on_spot(_L4),
    "gke-gpu-a100": _A100,
    "gke-gpu-a100-spot": _on_spot(_A100),
    "gke-gpu-a100-80gb": _gpu("nvidia-a100-80gb", 1, "10", "144Gi"),
    "gke-tpu-v5e": _V5E,
    "gke-tpu-v5e-spot": _on_spot(_V5E),
    "gke-tpu-v6e": _tpu("tpu-v6e-slice", "2x2", 4, "64", "512Gi"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PoolSettings:
    """A run's settings for its workers' pods: a profile, and changes to it.

    Raises:
      SettingsError: If the profile is unknown or a value is invalid.
    """

    profile: str = setting(
        "cpu",
        f"Node pool that workers run on in a cluster: {', '.join(PROFILES)}. The settings below override parts of it.",
        group=OBJECT,
        choices=PROFILES,
    )
    accelerator_type: str = setting(
        "",
        f"Type of each worker's accelerators, {' or '.join(_ACCELERATORS)}; empty for the profile's.",
        group=OBJECT,
        may_be_empty=True,
    )
    accelerator_count: int = setting(0, "Accelerators per worker; 0 for the profile's.", group=OBJECT, at_least=0)
    node_selector: dict[str, str] = setting(
        {}, "Labels that a worker's node must have, in addition to the profile's; a JSON object.", group=OBJECT
    )
    tolerations: list[dict[str, Any]] = setting(
        [],
        "Taints that a worker's node may have, in addition to the profile's; a JSON list of tolerations.",
        group=OBJECT,
    )
    cpu: str = setting(
        "",
        'CPU cores to request per worker, such as "500m" or "2"; empty for the profile\'s.',
        group=OBJECT,
        may_be_empty=True,
    )
    memory: str = setting(
        "", 'Memory per worker, such as "8Gi"; empty for the profile\'s.', group=OBJECT, may_be_empty=True
    )
    shared_memory: str = setting(
        "",
        "Size of each worker's /dev/shm, which counts towards its memory, such as \"1Gi\"; empty for the profile's.",
        group=OBJECT,
        may_be_empty=True,
    )

    def __post_init__(self) -> None:
        check_settings(self, "train_")
        self.pool()

    def pool(self) -> Pool:
        """Returns the profile's pool with this run's changes; an empty value or 0 keeps the profile's.

        Labels are added to the profile's and replace labels of the same name; tolerations are added.
        """
        pool, count = PROFILES[self.profile], self.accelerator_count
        kind = self.accelerator_type or pool.accelerator_type
        if kind not in ("", *_ACCELERATORS):
            raise SettingsError(f"unknown train_accelerator_type {kind!r}; expected one of {', '.join(_ACCELERATORS)}")
        if pool.accelerator_type and kind != pool.accelerator_type:
            raise SettingsError(
                f"train_profile {self.profile} has {pool.accelerator_type}, got train_accelerator_type {kind!r}; "
                "leave it empty, or choose another profile"
            )
        if count and not kind:
            raise SettingsError(
                f"train_accelerator_count is {count}, but train_profile {self.profile} has no accelerator; set "
                f"train_accelerator_type to one of {', '.join(_ACCELERATORS)}, or choose another profile"
            )
        if kind and not (count := count or pool.accelerator_count):
            raise SettingsError(f"train_accelerator_count must be at least 1 for train_accelerator_type {kind}, got 0")
        for name in ("cpu", "memory", "shared_memory"):
            if value := getattr(self, name):
                check_quantity(f"train_{name}", value)
        added = [_toleration(toleration) for toleration in self.tolerations]
        return Pool(
            cpu=self.cpu or pool.cpu,
            memory=self.memory or pool.memory,
            shared_memory=self.shared_memory or pool.shared_memory,
            accelerator_type=kind,
            accelerator_count=count,
            node_selector={**pool.node_selector, **_selector(self.node_selector)},
            tolerations=(
                *pool.tolerations,
                *[toleration for toleration in added if toleration not in pool.tolerations],
            ),
        )


def check_pool(pool: Pool, num_workers: int) -> None:
    """Rejects a pool on which these workers cannot train.

    Raises:
      SettingsError: If a setting is rejected; names it, the expected value and the actual one.
    """
    if pool.accelerator_type == TPU and num_workers > 1:
        raise SettingsError(
            f"training on {TPU} supports one TPU host, got train_num_workers={num_workers}; set it to 1, or use GPUs"
        )
    topology = pool.node_selector.get(TPU_TOPOLOGY, "")
    if pool.accelerator_type == TPU and topology and (chips := _chips(topology)) != pool.accelerator_count:
        raise SettingsError(
            f"train_accelerator_count must be {chips}, the number of chips in TPU topology {topology} on one host, got "
            f"{pool.accelerator_count}; set it, or select another {TPU_TOPOLOGY}"
        )
    if pool.shared_memory and in_bytes(pool.shared_memory) >= in_bytes(pool.memory):
        raise SettingsError(
            f"train_shared_memory must be less than the worker's memory, {pool.memory}, which includes it, got "
            f"{pool.shared_memory}"
        )


def _chips(topology: str) -> int:
    chips = 1
    for side in topology.split("x"):
        if not side.isdecimal():
            raise SettingsError(f"{TPU_TOPOLOGY} must be a topology such as 2x2, got {topology!r}")
        chips *= int(side)
    return chips


def _selector(selector: Mapping[str, str]) -> dict[str, str]:
    for label, value in selector.items():
        if not isinstance(value, str):
            raise SettingsError(f"train_node_selector: {label} must be text in quotes, got {value!r}")
        if label in _CONTROL_PLANE:
            raise SettingsError(
                f"train_node_selector must select nodes for work, got {label}, whose nodes run the cluster itself; "
                "select another label"
            )
    return dict(selector)


def _toleration(toleration: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(toleration, Mapping) or not set(toleration) <= _TOLERATION_KEYS:
        raise SettingsError(
            f"train_tolerations must be objects of {', '.join(sorted(_TOLERATION_KEYS))}, got {toleration!r}"
        )
    if not isinstance(key := toleration.get("key"), str) or not key:
        raise SettingsError(
            f"train_tolerations: each must name the key of a taint, got {toleration!r}, which tolerates every taint of "
            "every node; name the key"
        )
    if key in _CONTROL_PLANE:
        raise SettingsError(
            f"train_tolerations must tolerate taints of nodes for work, got {key}, whose nodes run the cluster itself; "
            "leave it out"
        )
    # Kubeflow turns all numbers in a list into floating-point numbers.
    return {key: int(value) if key == "tolerationSeconds" else value for key, value in toleration.items()}
