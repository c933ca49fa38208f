import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import SettingsError
from components.train.settings.config import TrainConfig
from components.train.settings.devices import Devices, find_devices
from components.train.settings.roles import tasks
from components.train.settings.strategies import STRATEGIES, check_strategy, resolve_strategy

NOTHING, ONE_GPU, FOUR_GPUS = Devices(), Devices(num_gpus=1), Devices(num_gpus=4)
TPU, SLICE = Devices(has_tpu=True), Devices(has_tpu=True, num_tpu_hosts=4)


@pytest.mark.parametrize(
    ("name", "num_workers", "devices", "expected"),
    [
        ("auto", 1, NOTHING, ("one_device", 1)),
        ("auto", 1, ONE_GPU, ("one_device", 1)),
        ("auto", 1, FOUR_GPUS, ("mirrored", 4)),
        ("auto", 1, TPU, ("tpu", 0)),
        ("auto", 2, NOTHING, ("multi_worker_mirrored", 1)),
        ("auto", 2, FOUR_GPUS, ("multi_worker_mirrored", 2)),
        ("auto", 2, ONE_GPU, ("multi_worker_mirrored", 1)),  # they share it
        ("one_device", 1, FOUR_GPUS, ("one_device", 1)),
        ("mirrored", 1, NOTHING, ("mirrored", 1)),
        ("multi_worker_mirrored", 4, FOUR_GPUS, ("multi_worker_mirrored", 1)),
        ("parameter_server", 2, FOUR_GPUS, ("parameter_server", 1)),
        ("tpu", 1, TPU, ("tpu", 0)),
    ],
)
def test_a_worker_has_a_replica_on_each_device_that_is_left_for_it(
    name: str, num_workers: int, devices: Devices, expected: tuple[str, int]
) -> None:
    assert resolve_strategy(name, TrainConfig(), num_workers, devices) == expected


@pytest.mark.parametrize(
    ("name", "num_workers", "devices", "tuning", "message"),
    [
        ("horovod", 1, NOTHING, {}, "unknown train_strategy 'horovod'; expected one of auto, one_device, mirrored, "),
        ("one_device", 2, NOTHING, {}, "one_device is for one worker, got train_num_workers=2; set it to 1, or use"),
        ("mirrored", 2, FOUR_GPUS, {}, "mirrored is for one worker, got train_num_workers=2"),
        ("multi_worker_mirrored", 1, NOTHING, {}, "needs at least 2 workers, got train_num_workers=1; for one worker"),
        ("parameter_server", 1, NOTHING, {}, "parameter_server needs at least 2 workers, got train_num_workers=1"),
        ("parameter_server", 2, NOTHING, {"precision": "float16"}, "float16 does not work with train_strategy para"),
        ("tpu", 2, TPU, {}, "tpu is for the TPU of one host, got train_num_workers=2"),
        ("tpu", 1, NOTHING, {}, "tpu needs a TPU, but this machine has none; use auto"),
        ("tpu", 1, SLICE, {}, "this host is in a slice of 4 hosts"),
        ("auto", 1, SLICE, {}, "this host is in a slice of 4 hosts"),
        ("tpu", 1, TPU, {"precision": "float16"}, "float16 does not work with train_strategy tpu; use bfloat16"),
        (
            "mirrored",
            1,
            FOUR_GPUS,
            {"global_batch_size": 6},
            r"multiple of 4, the number of replicas \(1 workers with 4",
        ),
        ("auto", 2, FOUR_GPUS, {"global_batch_size": 6}, r"must be a multiple of 4, .* got 6"),
        ("auto", 4, NOTHING, {"global_batch_size": 6}, "must be a multiple of train_num_workers=4, got 6"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(
    name: str, num_workers: int, devices: Devices, tuning: dict, message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        resolve_strategy(name, TrainConfig(**tuning), num_workers, devices)
    assert "\n" not in str(caught.value)


def test_where_a_run_is_submitted_nothing_is_asked_of_its_devices() -> None:
    check_strategy("tpu", TrainConfig(), 1)
    check_strategy("mirrored", TrainConfig(), 1)
    with pytest.raises(SettingsError, match="unknown train_strategy"):
        check_strategy("", TrainConfig(), 1)


@pytest.mark.parametrize(
    ("name", "num_workers", "expected"),
    [
        ("one_device", 1, ["worker 0"]),
        ("multi_worker_mirrored", 2, ["worker 0", "worker 1"]),
        ("parameter_server", 2, ["chief 0", "worker 0", "worker 1", "ps 0"]),
        ("parameter_server", 5, ["chief 0", *(f"worker {number}" for number in range(5)), "ps 0", "ps 1"]),
    ],
)
def test_the_processes_of_a_training(name: str, num_workers: int, expected: list[str]) -> None:
    assert [f"{job} {number}" for job, number in tasks(name, num_workers)] == expected


def test_only_parameter_servers_are_out_of_lockstep() -> None:
    assert [name for name, strategy in STRATEGIES.items() if not strategy.is_lockstep] == ["parameter_server"]


@pytest.mark.parametrize(
    ("files", "visible", "hosts", "expected"),
    [
        ([], None, "", Devices()),
        (["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"], None, "", Devices(num_gpus=2)),
        (["nvidia0", "nvidia1"], "1", "", Devices(num_gpus=1)),
        (["nvidia0", "nvidia1"], "GPU-8f1c,GPU-77aa", "", Devices(num_gpus=2)),
        (["nvidia0", "nvidia1"], "", "", Devices()),
        (["nvidia0", "nvidia1"], "0,-1,1", "", Devices(num_gpus=1)),  # as CUDA has it, -1 hides what comes after
        (["accel0", "accel1"], None, "localhost", Devices(has_tpu=True)),
        (["accel0"], None, "host-0,host-1", Devices(has_tpu=True, num_tpu_hosts=2)),
        (["vfio/0", "vfio/vfio"], None, "", Devices()),  # any device that is handed through, without the TPU's library
    ],
)
def test_devices_are_found_by_their_files(
    files: list[str],
    visible: str | None,
    hosts: str,
    expected: Devices,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setenv("TPU_WORKER_HOSTNAMES", hosts)
    assert find_devices(tmp_path) == expected


@pytest.mark.long
def test_a_tensorflow_that_knows_no_tpu_is_answered_in_one_line() -> None:
    script = (
        "from components.train.peers.distribution import make_strategy\n"
        "from components.errors import SettingsError\n"
        "try:\n    make_strategy('tpu', 0, 1, 0, num_threads=1)\n"
        "except SettingsError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert done.stdout.startswith("train_strategy tpu: TensorFlow finds no TPU; is tensorflow-tpu installed? "), (
        done.stderr
    )
    assert done.stdout.count("\n") == 1


def test_each_strategy_can_be_made() -> None:
    from components.train.peers.distribution import MAKERS

    assert set(MAKERS) == set(STRATEGIES)
