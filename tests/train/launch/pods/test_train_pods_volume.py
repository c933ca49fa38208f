"""Workers that share a volume claim with their launcher, and what becomes of a training whose volume is full."""

import contextlib
import json
import os
import re
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pods_on_cluster import MARKS, Workplace, kubectl, workplace, write_dataset
from pods_training import SMALL, settings, train_in_pods
from train_fixtures import checkpointed, in_background, wait_for

from components.contracts import TrainingReceipt
from components.progress import step_log
from components.train.checkpoint import checkpoints
from components.train.launch.pods.task_config import TaskSettings

NUM_EPOCHS = 12


pytestmark = MARKS


def is_node() -> bool:
    """Tells whether this machine is the only node, whose folders the pods mount, and whether we may mount some, too."""
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    addresses = [each["address"] for each in nodes[0]["status"]["addresses"] if each["type"] == "InternalIP"]
    with socket.socket() as probe:
        try:
            probe.bind((addresses[0], 0))
        except OSError:
            return False
    return len(nodes) == 1 and os.geteuid() == 0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    if not is_node():
        pytest.skip("needs to be root on the only node of the cluster, whose folders the pods mount")
    with workplace(tmp_path_factory.mktemp("kube")) as made:
        yield made


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MB that any user may write."""
    folder = tmp_path / "volume"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m,mode=0777", "agrivision-test", folder], check=True)
    umask = os.umask(0)  # the workers are another user, as they are not where the launcher is a pod, too
    try:
        yield folder
    finally:
        os.umask(umask)
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def task(place: Workplace, small_disk: Path) -> Iterator[TaskSettings]:
    """Workers that mount a claim of that disk at its own path."""
    name = f"agrivision-test-{uuid.uuid4().hex[:8]}"
    common = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {**common, "capacity": {"storage": "32Mi"}, "hostPath": {"path": str(small_disk)}},
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": place.namespace},
        "spec": {**common, "volumeName": name, "resources": {"requests": {"storage": "32Mi"}}},
    }
    try:
        kubectl("create", "-f", "-", documents=[volume, claim])
        yield TaskSettings(
            SMALL,
            volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": name}}],
            volume_mounts=[{"name": "data", "mountPath": str(small_disk)}],
        )
    finally:
        kubectl("delete", "-f", "-", "--wait=false", documents=[claim, volume])


def fill(folder: Path) -> Path:
    """Writes a file that leaves no room at all, and returns its path."""
    path = folder / "filler"
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size):
                    pass
    return path


def test_a_full_volume_is_said_in_one_line_and_the_next_launch_goes_on_when_there_is_room(
    place: Workplace,
    task: TaskSettings,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    place.use(monkeypatch)
    data = str(small_disk), write_dataset(small_disk)

    def launch() -> TrainingReceipt:
        with step_log("train") as log:
            return train_in_pods(settings(data, 1, NUM_EPOCHS, max_restarts=3), task, log)

    thread, _ = in_background(launch)
    wait_for(lambda: checkpointed(small_disk) or not thread.is_alive())
    filler = fill(small_disk)
    thread.join()
    output = capfd.readouterr().out
    assert re.fullmatch(
        r"train \| failed \(exit 42\): cannot write checkpoint epoch-\S+ under "
        rf"'{small_disk}/training/\S+/checkpoints': No space left on device; the previous one is intact: make room, "
        "and run again to continue from there",
        output.splitlines()[-1],
    ), output
    assert "restart" not in output
    assert place.left() == ""

    fill(small_disk)
    with pytest.raises(SystemExit, match=r"^42$"):
        launch()
    assert re.fullmatch(
        rf"train \| failed \(exit 42\): cannot write under '{small_disk}/training/\S+': No space left on device; free "
        "some space there, and run again",
        capfd.readouterr().out.splitlines()[-1],
    )
    assert place.left() == ""

    filler.unlink()
    (root,) = small_disk.glob("training/*/checkpoints")
    state, _ = checkpoints.read_checkpoint(str(root), checkpoints.names_under(str(root))[-1])
    receipt = launch()
    assert f"train | resumed at epoch {state.epoch + 1}, step {state.step + 1}" in capfd.readouterr().out
    assert len(receipt.history) == NUM_EPOCHS
    assert place.left() == ""
