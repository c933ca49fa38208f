"""Threads that use a bucket at once share one client, and so its connections."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tampered_bucket import ROOT, tampered_bucket

from components.storage import bucket

_THREADS = 16


def test_threads_that_start_at_once_have_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second client, once forgotten, would leave connections that nobody closes."""
    together = threading.Barrier(_THREADS)

    def first_use(number: int) -> tuple[int, bytes]:
        together.wait()
        return id(bucket._client()), bucket.read(f"{ROOT}/{number}")

    with tampered_bucket(monkeypatch) as served:
        served.objects.update({str(number): b"%d" % number for number in range(_THREADS)})
        with ThreadPoolExecutor(_THREADS) as threads:
            used = list(threads.map(first_use, range(_THREADS)))

    assert [content for _, content in used] == [b"%d" % number for number in range(_THREADS)]
    assert len({client for client, _ in used}) == 1
