"""Reads `dsl.TaskConfig`: Kubeflow's settings of the train step's task, which are meant for the workers' pods."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from components.errors import SettingsError
from components.train.settings.node_pools import Pool, PoolSettings

_CLUSTER_SETTINGS = "AGRIVISION_"  # variables with this prefix are for the launcher


class TaskConfig(Protocol):
    """The fields of kfp's class of the same name that are read here; a field is None if it was not set."""

    resources: Mapping[str, Any] | None
    node_selector: Mapping[str, str] | None
    tolerations: Sequence[Mapping[str, Any]] | None
    env: Sequence[Mapping[str, Any]] | None
    volumes: Sequence[Mapping[str, Any]] | None
    volume_mounts: Sequence[Mapping[str, Any]] | None


@dataclasses.dataclass(frozen=True)
class TaskSettings:
    """The settings of the workers' pods.

    Attributes:
      pool: Resources and nodes.
      env, volumes, volume_mounts: As in a pod.
      profile: Name of the node pool that they are charged as.
    """

    pool: Pool
    env: Sequence[Mapping[str, Any]] = ()
    volumes: Sequence[Mapping[str, Any]] = ()
    volume_mounts: Sequence[Mapping[str, Any]] = ()
    profile: str = "cpu"


def is_on_cluster(task: TaskConfig) -> bool:
    """Returns whether the step runs in a pod: kfp.local sets no field; Kubeflow sets resources at least, if empty."""
    return any(
        each is not None for each in (task.resources, task.node_selector, task.tolerations, task.env, task.volumes)
    )


def task_settings(task: TaskConfig, settings: PoolSettings) -> TaskSettings:
    """Returns the settings of the workers' pods: the run's pool, overridden by the settings of its task.

    Raises:
      SettingsError: If a setting of the task is invalid, or one of its volumes is anything but a claim.
    """
    resources = task.resources or {}
    requests, limits = dict(resources.get("requests") or {}), dict(resources.get("limits") or {})
    accelerators = {name: count for name, count in limits.items() if "/" in name and str(count) != "0"}
    if len(accelerators) > 1:
        raise SettingsError(
            f"a worker must have accelerators of one type, got {', '.join(sorted(accelerators))}; set one of them"
        )
    kind, count = next(iter(accelerators.items()), (settings.accelerator_type, settings.accelerator_count))
    pool = dataclasses.replace(
        settings,
        accelerator_type=kind,
        accelerator_count=int(count),
        node_selector={**settings.node_selector, **(task.node_selector or {})},
        tolerations=[*settings.tolerations, *(task.tolerations or ())],  # type: ignore[list-item]
        cpu=str(requests.get("cpu") or limits.get("cpu") or settings.cpu),
        memory=str(limits.get("memory") or requests.get("memory") or settings.memory),
    ).pool()
    return TaskSettings(
        pool,
        env=tuple(each for each in task.env or () if not each["name"].startswith(_CLUSTER_SETTINGS)),
        volumes=tuple(map(_claim, task.volumes or ())),
        volume_mounts=tuple(task.volume_mounts or ()),
        profile=settings.profile,
    )


def _claim(volume: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a volume that workers may mount: of a claim, and not of a node's folder or a secret of the step."""
    if (kinds := sorted(volume.keys() - {"name"})) != ["persistentVolumeClaim"]:
        raise SettingsError(
            f"volume {volume.get('name', '')!r} of the train step must be a persistentVolumeClaim, since workers mount "
            f"it too, got {', '.join(kinds) or 'nothing'}; mount a claim (agrivision submit --volume-claim)"
        )
    return volume


def check_reach(data_root: str, settings: TaskSettings) -> None:
    """Rejects a data_root that the workers' pods would not see.

    Raises:
      SettingsError: If data_root is a folder on none of the mounted volumes.
    """
    mounts = [str(mount["mountPath"]).rstrip("/") for mount in settings.volume_mounts]
    if "://" not in data_root and not any(f"{data_root}/".startswith(f"{mount}/") for mount in mounts):
        raise SettingsError(
            f"data_root {data_root!r} is a folder that the workers' pods do not share; mount a volume claim there "
            "(agrivision submit --volume-claim), or use a gs:// URI"
        )
