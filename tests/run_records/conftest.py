"""What the tests of records share: a Kubeflow that misbehaves on request, and buckets in memory."""

from collections.abc import Iterator

import pytest
from kubeflow_server import ScriptedKubeflow
from memory_bucket import MemoryBucket, memory_bucket


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedKubeflow]:
    for name in ("KFP_ENDPOINT", "KFP_EXISTING_TOKEN", "AGRIVISION_WEBHOOK", "AGRIVISION_WEBHOOK_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", "/dev/null")  # no cluster
    with ScriptedKubeflow() as running:
        running.pipelines = ["agrivision-training"]
        yield running


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> MemoryBucket:
    return memory_bucket(monkeypatch)
