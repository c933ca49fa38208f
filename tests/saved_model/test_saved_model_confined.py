"""The process that runs models holds no secrets, and cannot fetch any."""

import socket
from pathlib import Path

import pytest

from components.private_network import NoPrivateNetwork, private_network
from components.saved_model.confined import confined_process

pytestmark = pytest.mark.hostile
CREDENTIALS = (
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "KFP_EXISTING_TOKEN",
    "KFP_ENDPOINT",
    "KUBECONFIG",
    "STORAGE_EMULATOR_HOST",
    "MY_COMPANYS_TOKEN",
)


def has_private_network() -> bool:
    try:
        with private_network():
            return True
    except NoPrivateNetwork:
        return False


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a process in a folder of `tmp_path` could do, from its lines."""
    for name in CREDENTIALS:
        monkeypatch.setenv(name, "secret")
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "token").write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        arguments = [str(folder), str(tmp_path / "token"), str(server.getsockname()[1])]
        with confined_process("confined_probe", arguments, folder) as process:
            assert process.stdout is not None
            lines = process.stdout.read().decode().splitlines()
    return dict(line.split(": ", 1) for line in lines)


def test_its_environment_has_no_credentials(tried: dict[str, str]) -> None:
    names = tried["environment"].split()
    assert "PATH" in names
    assert not set(CREDENTIALS) & set(names)


def test_it_reaches_no_server(tried: dict[str, str]) -> None:
    if not has_private_network():
        pytest.skip("this system gives no process a network of its own")
    assert tried["reach a server of this machine"] == "no"


def test_it_sees_libraries_and_its_own_folder_only(tried: dict[str, str]) -> None:
    assert tried["write at home"] == "yes", "its home is its own folder"
    if tried["files given up"] == "no":
        pytest.skip("this system has no Landlock")
    for what in ("read a file of the user", "write beside it", "read the parent's environment"):
        assert tried[what] == "no", what
