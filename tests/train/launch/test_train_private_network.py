"""Nobody but the workers of a training reaches their servers; where that cannot be, one process takes their place."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from train_fixtures import (
    ENDLESS,
    TUNING,
    another_root,
    assert_equal,
    checkpointed,
    in_background,
    train,
    wait_for,
    workers_of,
    write_data,
)

from components.contracts import TrainingReceipt
from components.errors import SettingsError
from components.private_network import NoPrivateNetwork, private_network
from components.train.launch.local import launcher

SMALL = {**TUNING, "epochs": 2}
LISTEN = "0A"  # a state in /proc/net/tcp
LISTENS = """
import socket, sys
server = socket.create_server(("", 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def network() -> Iterator:
    try:
        with private_network() as network:
            yield network
    except NoPrivateNetwork as error:
        pytest.skip(f"this system gives no process a network of its own: {error}")


@contextmanager
def process(network, code: str) -> Iterator[subprocess.Popen]:
    command = network.entering([sys.executable, "-c", code])
    with subprocess.Popen(
        command, pass_fds=network.descriptors, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        yield started
        started.stdin.close()


def test_processes_of_a_private_network_reach_each_other_and_nobody_else_does(network) -> None:
    with process(network, LISTENS) as server:
        port = int(server.stdout.readline())
        connects = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5); print('reached')"
        with process(network, connects) as peer:
            assert peer.stdout.readline() == "reached\n"
        for host in {"127.0.0.1", socket.gethostbyname(socket.gethostname())}:
            with pytest.raises(OSError, match=r"refused|unreachable"):
                socket.create_connection((host, port), timeout=1.0)


def test_files_of_other_users_stay_what_they_are(network, tmp_path: Path) -> None:
    """In a user namespace, even root could not write to a folder that is not its own."""
    tmp_path.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(tmp_path, 12345, 12345)
    with process(network, f"open({str(tmp_path / 'written')!r}, 'w').write('x'); print('done')") as writer:
        assert writer.stdout.readline() == "done\n"
    assert (tmp_path / "written").read_text() == "x"


def test_a_system_that_allows_no_network_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(NoPrivateNetwork, match="ended with 1"), private_network():
        pass


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("private")
    write_data(root, num_train=16, num_val=8, size_px=48)
    return root


@pytest.fixture(scope="module")
def alone(data: Path) -> TrainingReceipt:
    return train(data, 1, SMALL)


@pytest.mark.long
def test_two_workers_open_no_port_of_this_machine(network, data: Path, tmp_path: Path) -> None:
    root = another_root(data, tmp_path)
    thread, results = in_background(lambda: train(root, 2, ENDLESS, max_seconds=8))
    workers: dict[int, int] = {}
    wait_for(lambda: workers.update(workers_of(os.getpid())) or len(workers) == 2)
    spec = json.loads(next((root / "training").glob("*/logs/launch-1/attempt-1-spec.json")).read_text())
    assert re.fullmatch("[0-9a-f]{64}", spec["nonce"])
    wait_for(lambda: checkpointed(root))
    networks = {os.readlink(f"/proc/{pid}/ns/net") for pid in workers.values()}
    assert len(networks) == 1
    assert os.readlink("/proc/self/ns/net") not in networks
    # What listens there, TensorFlow's servers among them, is not to be had here.
    rows = [line.split() for line in Path(f"/proc/{workers[0]}/net/tcp6").read_text().splitlines()[1:]]
    rows += [line.split() for line in Path(f"/proc/{workers[0]}/net/tcp").read_text().splitlines()[1:]]
    ports = {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTEN}
    assert len(ports) >= 2, "a server of each worker"
    mine = {int(inode) for inode in re.findall(r"socket:\[(\d+)\]", sockets_of(list(workers.values())))}
    here = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    assert not mine & {int(row[9]) for row in here}
    thread.join()
    (receipt,) = results
    assert receipt.ended_by == "max_seconds", receipt


def sockets_of(pids: list[int]) -> str:
    found = []
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                found.append(os.readlink(descriptor))
    return " ".join(found)


@contextmanager
def no_network(reason: str = "Operation not permitted") -> Iterator[None]:
    raise NoPrivateNetwork(reason)
    yield


def with_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.storage.is_remote", lambda uri: True)


def without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "private_network", no_network)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without_a_network, r"gives them no network of their own \(Operation not permitted\)"),
        (with_a_bucket, "workers that read a bucket need the network of this machine"),
    ],
)
def test_why_strangers_could_reach_workers_is_said(
    change: Callable[[pytest.MonkeyPatch], None], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AGRIVISION_TRUSTED_NETWORK", raising=False)
    change(monkeypatch)
    workers = launcher.LocalProcesses(2)
    assert re.search(reason, workers.exposure("/data"))
    monkeypatch.setenv("AGRIVISION_TRUSTED_NETWORK", "true")
    assert workers.exposure("/data") == ""


@pytest.mark.long
def test_one_process_takes_the_place_of_workers_that_strangers_could_reach(
    data: Path,
    alone: TrainingReceipt,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("AGRIVISION_TRUSTED_NETWORK", raising=False)
    without_a_network(monkeypatch)
    root = another_root(data, tmp_path)
    with pytest.raises(SettingsError, match="multi_worker_mirrored with 2 workers would open servers to the network"):
        train(root, 2, SMALL, strategy="multi_worker_mirrored")
    receipt = train(root, 2, SMALL)
    assert (receipt.strategy, receipt.num_workers) == ("mirrored", 1)
    assert "one process trains 2 replicas instead of 2 workers: this system gives" in capfd.readouterr().out
    assert_equal(root, receipt, data, alone, atol=5e-5)
