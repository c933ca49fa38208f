"""The node pools that workers may run on, as data: `train_profile`, and what a run changes of one.

Imports neither kfp nor kubernetes nor TensorFlow, so that what cannot work is refused before anything is sent.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from components.errors import SettingsError
from components.setting import check_settings, setting
from components.train.settings.quantities import check_quantity, in_bytes

GPU = "nvidia.com/gpu"
TPU = "google.com/tpu"
_ACCELERATORS = (GPU, TPU)
TPU_TOPOLOGY = "cloud.google.com/gke-tpu-topology"
_GPU_LABEL = "cloud.google.com/gke-accelerator"
_TPU_LABEL = "cloud.google.com/gke-tpu-accelerator"
_SPOT = "cloud.google.com/gke-spot"
_TOLERATION_KEYS = frozenset({"key", "operator", "value", "effect", "tolerationSeconds"})


@dataclasses.dataclass(frozen=True)
class Pool:
    """What each worker asks for, and where it may run.

    Attributes:
      accelerator_type: Resource name, "nvidia.com/gpu" or "google.com/tpu"; empty for none.
      accelerator_count: Of a worker.
      node_selector: Labels that its node must have.
      tolerations: Taints that its node may have, as in a pod.
      cpu: Cores that a worker asks for, a Kubernetes quantity such as "500m" or "2". It may use more that are idle.
      memory: What it asks for and is limited to, a quantity such as "8Gi".
      shared_memory: Size of a /dev/shm of its own, part of `memory`, as NCCL needs it; empty for the runtime's 64 MB.
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


# Labels and taints are those that GKE gives its nodes. Cores and memory fit what is left to pods on the smallest
# machine that has the accelerator: g2-standard-8, a2-highgpu-1g, a2-ultragpu-1g, ct5lp-hightpu-4t, ct6e-standard-4t.
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
    """What a run says of its workers' pods: a profile, and what it changes of that.

    Raises:
      SettingsError: for an unknown profile, or a value that is none of its kind.
    """

    profile: str = setting(
        "cpu",
        f"On a cluster, the node pool that workers run on: {', '.join(PROFILES)}. What follows changes it.",
        choices=PROFILES,
    )
    accelerator_type: str = setting(
        "", f"Accelerator of a worker, {' or '.join(_ACCELERATORS)}; empty for the profile's.", may_be_empty=True
    )
    accelerator_count: str = setting("0", "Accelerators of a worker; 0 for the profile's.")
    node_selector: dict[str, str] = setting(
        {}, "Labels that a worker's node must have, beside the profile's; a JSON object."
    )
    tolerations: list[dict[str, Any]] = setting(
        [], "Taints that a worker's node may have, beside the profile's; a JSON list, as in a pod."
    )
    cpu: str = setting(
        "", 'Cores that a worker asks for, such as "500m" or "2"; empty for the profile\'s.', may_be_empty=True
    )
    memory: str = setting("", 'Memory of a worker, such as "8Gi"; empty for the profile\'s.', may_be_empty=True)
    shared_memory: str = setting(
        "",
        "Size of a worker's /dev/shm, part of its memory, such as \"1Gi\"; empty for the profile's.",
        may_be_empty=True,
    )

    def __post_init__(self) -> None:
        check_settings(self, "train_")
        self.pool()

    def pool(self) -> Pool:
        """Returns the profile's pool with this run's changes; what is empty or "0" is as the profile says.

        Labels are added to the profile's, or take the place of a label of the same name; tolerations are added.
        """
        pool, count = PROFILES[self.profile], _count(self.accelerator_count)
        kind = self.accelerator_type or pool.accelerator_type
        if kind not in ("", *_ACCELERATORS):
            raise SettingsError(f"unknown train_accelerator_type {kind!r}; expected one of {', '.join(_ACCELERATORS)}")
        if pool.accelerator_type and kind != pool.accelerator_type:
            raise SettingsError(
                f"train_profile {self.profile} has {pool.accelerator_type}, got train_accelerator_type {kind!r}; "
                "leave it empty, or take another profile"
            )
        if count and not kind:
            raise SettingsError(
                f"train_accelerator_count is {count}, and train_profile {self.profile} has no accelerator; set "
                f"train_accelerator_type to one of {', '.join(_ACCELERATORS)}, or take another profile"
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
    """Refuses a pool on which these workers cannot train.

    Raises:
      SettingsError: names the setting, what it must be, and what it is.
    """
    if pool.accelerator_type == TPU and num_workers > 1:
        raise SettingsError(
            f"training on {TPU} is for the TPU of one host, got train_num_workers={num_workers}; set 1, or use GPUs"
        )
    topology = pool.node_selector.get(TPU_TOPOLOGY, "")
    if pool.accelerator_type == TPU and topology and (chips := _chips(topology)) != pool.accelerator_count:
        raise SettingsError(
            f"train_accelerator_count must be {chips}, the chips of TPU topology {topology} on one host, got "
            f"{pool.accelerator_count}; or select another {TPU_TOPOLOGY}"
        )
    if pool.shared_memory and in_bytes(pool.shared_memory) >= in_bytes(pool.memory):
        raise SettingsError(
            f"train_shared_memory must be less than the worker's memory, {pool.memory}, which it is a part of, got "
            f"{pool.shared_memory}"
        )


def _count(value: str) -> int:
    text = str(value).strip()
    if not text.isdecimal():
        raise SettingsError(f"train_accelerator_count must be a whole number, 0 for the profile's, got {value!r}")
    return int(text)


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
    return dict(selector)


def _toleration(toleration: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(toleration, Mapping) or not set(toleration) <= _TOLERATION_KEYS:
        raise SettingsError(
            f"train_tolerations must be objects of {', '.join(sorted(_TOLERATION_KEYS))}, got {toleration!r}"
        )
    # Kubeflow makes floating-point numbers of all in a list.
    return {key: int(value) if key == "tolerationSeconds" else value for key, value in toleration.items()}
