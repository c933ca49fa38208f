"""What tests of training with pods on a cluster begin with: a namespace with a launcher's account, and a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# Not imported for the many tests here that need no cluster: it loads TensorFlow.
if TYPE_CHECKING:
    from pods_on_cluster import Workplace


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    from pods_on_cluster import workplace

    with workplace(tmp_path_factory.mktemp("kube")) as made:
        yield made


@pytest.fixture
def use_the_workplace(monkeypatch: pytest.MonkeyPatch, place: Workplace) -> None:
    """Makes the workplace, of this module if it has one of its own, what the launcher in this process finds."""
    place.use(monkeypatch)


@pytest.fixture(scope="module")
def bucket_data(tmp_path_factory: pytest.TempPathFactory, place: Workplace) -> tuple[str, Path]:
    """The URI of a bucket with a dataset, which the pods reach, and the path of the manifest here.

    It is made after the workplace: a module whose workplace cannot be made is skipped, and leaves no bucket.
    """
    from pods_on_cluster import dataset_in_bucket

    return dataset_in_bucket(tmp_path_factory.mktemp("data"))
