"""What the tests of `agrivision submit` share: a server of their own, and the command."""

from collections.abc import Callable, Iterator

import pytest
from kubeflow_server import ScriptedKubeflow, submitter
from models_here import models_here

__all__ = ["models_here"]


@pytest.fixture
def server() -> Iterator[ScriptedKubeflow]:
    with ScriptedKubeflow() as running:
        yield running


@pytest.fixture
def submit(
    server: ScriptedKubeflow, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    return submitter(server, monkeypatch, capsys)
