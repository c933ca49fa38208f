"""Node pools: what a run may change of a profile, and what is refused."""

import dataclasses
from typing import Any

import pytest

from components.errors import SettingsError
from components.train.launch.pods.task_config import TaskSettings, check_reach, task_settings
from components.train.settings.node_pools import PROFILES, Pool, PoolSettings, check_pool
from components.train.settings.quantities import in_bytes, in_cores


def pool_of(**changes: Any) -> Pool:
    return PoolSettings(**changes).pool()


SPOT = {"key": "spot", "operator": "Exists"}


@dataclasses.dataclass
class Task:
    """What Kubeflow says of a task; kfp's class of that name has the same fields."""

    resources: dict[str, Any] | None = None
    node_selector: dict[str, str] | None = None
    tolerations: list[dict[str, Any]] | None = None
    env: list[dict[str, Any]] | None = None
    volumes: list[dict[str, Any]] | None = None
    volume_mounts: list[dict[str, Any]] | None = None


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_by_itself_is_a_pool_to_train_on(profile: str) -> None:
    assert pool_of(profile=profile) == PROFILES[profile]
    check_pool(pool_of(profile=profile), 1)


def test_a_run_changes_of_a_profile_what_it_names() -> None:
    pool = pool_of(
        profile="gke-gpu-l4",
        accelerator_count=2,
        node_selector={"pool": "a"},
        tolerations=[SPOT],
        cpu="4",
        memory="16Gi",
        shared_memory="1Gi",
    )
    assert (pool.accelerator_type, pool.accelerator_count) == ("nvidia.com/gpu", 2)
    assert pool.node_selector == {"cloud.google.com/gke-accelerator": "nvidia-l4", "pool": "a"}
    assert pool.tolerations == (*PROFILES["gke-gpu-l4"].tolerations, SPOT)
    assert (pool.cpu, pool.memory, pool.shared_memory) == ("4", "16Gi", "1Gi")
    pool = pool_of(
        accelerator_type="nvidia.com/gpu", accelerator_count=1, tolerations=[{**SPOT, "tolerationSeconds": 300.0}]
    )
    assert (pool.accelerator_type, pool.accelerator_count, pool.cpu) == ("nvidia.com/gpu", 1, PROFILES["cpu"].cpu)
    assert repr(pool.tolerations[0]["tolerationSeconds"]) == "300", "Kubeflow made 300.0 of it"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"profile": "gpu"}, "unknown train_profile 'gpu'; expected one of cpu, gke-gpu-l4, "),
        ({"accelerator_type": "amd.com/gpu", "accelerator_count": 1}, "expected one of nvidia.com/gpu, google.com/t"),
        ({"accelerator_type": "nvidia.com/gpu"}, "train_accelerator_count must be at least 1 .* got 0"),
        ({"accelerator_count": 1}, "train_accelerator_count is 1, but train_profile cpu has no accelerator"),
        ({"accelerator_count": -1}, "train_accelerator_count must be at least 0, got -1"),
        ({"accelerator_count": "two"}, "train_accelerator_count must be a whole number, got 'two'"),
        ({"profile": "gke-gpu-l4", "accelerator_type": "google.com/tpu"}, "train_profile gke-gpu-l4 has nvidia.com/gp"),
        ({"node_selector": {"spot": True}}, "train_node_selector: spot must be text in quotes, got True"),
        ({"tolerations": [{"name": "spot"}]}, "train_tolerations must be objects of effect, key, "),
        ({"tolerations": ["spot"]}, "train_tolerations must be objects of .* got 'spot'"),
        ({"tolerations": [{"operator": "Exists"}]}, "each must name the key of a taint, got .* tolerates every taint"),
        (
            {"tolerations": [{"key": "", "operator": "Exists"}]},
            "each must name .* got .*; name the key",
        ),
        (
            {"tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]},
            "got node-role.kubernetes.io/control-plane, whose nodes run the cluster itself; leave it out",
        ),
        (
            {"node_selector": {"node-role.kubernetes.io/master": ""}},
            "got node-role.kubernetes.io/master, whose nodes run the cluster itself; select another label",
        ),
        ({"cpu": "two"}, 'train_cpu must be a Kubernetes quantity such as "500m" or "2", got \'two\''),
        ({"cpu": "0"}, "train_cpu must be a Kubernetes quantity"),
        ({"memory": "8 GB"}, "train_memory must be a Kubernetes quantity such as \"8Gi\", got '8 GB'"),
        ({"shared_memory": "-1Gi"}, "train_shared_memory must be a Kubernetes quantity"),
    ],
)
def test_what_is_no_pool_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        pool_of(**changes)


@pytest.mark.parametrize(
    ("changes", "num_workers", "message"),
    [
        ({"profile": "gke-tpu-v5e"}, 2, "supports one TPU host, got train_num_workers=2; set it to 1, or use GPUs"),
        (
            {"profile": "gke-tpu-v5e", "accelerator_count": 8},
            1,
            "must be 4, the number of chips in .* 2x2 .* got 8",
        ),
        (
            {"profile": "gke-tpu-v5e", "node_selector": {"cloud.google.com/gke-tpu-topology": "two"}},
            1,
            "gke-tpu-topology must be a topology such as 2x2, got 'two'",
        ),
        ({"profile": "cpu", "shared_memory": "2Gi"}, 1, "train_shared_memory must be less than .*2Gi.* got 2Gi"),
    ],
)
def test_what_no_worker_can_train_on_is_refused(changes: dict[str, Any], num_workers: int, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        check_pool(pool_of(**changes), num_workers)


@pytest.mark.parametrize(
    ("text", "value"), [("500m", 0.5), ("2", 2), ("0.25", 0.25), ("8Gi", 8 * 1024**3), ("1.5G", 1_500_000_000)]
)
def test_quantities_are_read_as_kubernetes_reads_them(text: str, value: float) -> None:
    assert in_cores(text) == value
    assert in_bytes(text) == int(value)


CLAIM = {"name": "data", "persistentVolumeClaim": {"claimName": "agrivision-data"}}


@pytest.mark.parametrize(
    ("volume", "got"),
    [
        (
            {"name": "node", "hostPath": {"path": "/"}},
            "'node' .* must be a persistentVolumeClaim.* got hostPath;",
        ),
        ({"name": "keys", "secret": {"secretName": "keys"}}, "volume 'keys' .* got secret;"),
        ({"name": "token", "projected": {"sources": []}}, "volume 'token' .* got projected;"),
        ({"name": "cloud", "csi": {"driver": "x"}}, "volume 'cloud' .* got csi;"),
        ({**CLAIM, "hostPath": {"path": "/"}}, "volume 'data' .* got hostPath, persistentVolumeClaim;"),
        ({"name": "none"}, "volume 'none' .* got nothing; mount a claim"),
    ],
)
def test_workers_mount_claims_and_nothing_else_of_the_step_s(volume: dict[str, Any], got: str) -> None:
    assert task_settings(Task(volumes=[CLAIM]), PoolSettings()).volumes == (CLAIM,)
    with pytest.raises(SettingsError, match=got):
        task_settings(Task(volumes=[CLAIM, volume]), PoolSettings())


def test_the_task_s_own_settings_win_and_the_launcher_s_are_kept_from_the_workers() -> None:
    mount = {"name": "data", "mountPath": "/mnt/agrivision"}
    task = Task(
        resources={
            "requests": {"cpu": "3", "memory": "1Gi"},
            "limits": {"memory": "2Gi", "nvidia.com/gpu": "2", "google.com/tpu": "0"},
        },
        node_selector={"pool": "a"},
        tolerations=[SPOT],
        env=[
            {"name": "AGRIVISION_QUEUE", "valueFrom": {"configMapKeyRef": {"name": "agrivision", "key": "queue"}}},
            {"name": "LANG", "value": "C"},
        ],
        volume_mounts=[mount],
    )
    settings = task_settings(task, PoolSettings(cpu="1", memory="4Gi", shared_memory="1Gi"))
    pool = settings.pool
    assert (pool.cpu, pool.memory, pool.shared_memory) == ("3", "2Gi", "1Gi")
    assert (pool.accelerator_type, pool.accelerator_count) == ("nvidia.com/gpu", 2)
    assert (pool.node_selector, pool.tolerations) == ({"pool": "a"}, (SPOT,))
    assert settings.env == ({"name": "LANG", "value": "C"},)
    assert task_settings(Task(), PoolSettings(cpu="1")).pool == pool_of(cpu="1")
    check_reach("/mnt/agrivision/data", settings)
    check_reach("gs://bucket/data", TaskSettings(pool))
    for elsewhere in ("/mnt/agrivision-2/data", "/data"):
        with pytest.raises(SettingsError, match=f"data_root '{elsewhere}' is a folder that the workers' pods do not"):
            check_reach(elsewhere, settings)
