"""What the tests of records share: a Kubeflow that misbehaves on request, and buckets in memory."""

from collections.abc import Iterator

import pytest
from kubeflow_server import ScriptedKubeflow
from memory_bucket import MemoryBucket, memory_bucket
from test_run_record_file import LATE
from webhook_receiver import ROOT

from components.run_records.record_file import keep_record
from pipeline.run_records import webhook


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


@pytest.fixture
def told_soon(monkeypatch: pytest.MonkeyPatch, bucket: MemoryBucket) -> None:
    """A run with a record, and neither patience nor pauses that a test would wait for."""
    monkeypatch.setattr(webhook, "PATIENCE_SECONDS", 5.0)
    monkeypatch.setattr(webhook, "REQUEST_SECONDS", 1.0)
    monkeypatch.setattr("components.retrying._FIRST_PAUSE_SECONDS", 0.01)
    keep_record(ROOT, LATE)
