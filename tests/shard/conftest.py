"""What the tests of shards share: a small source, written once for each file of tests."""

from pathlib import Path

import pytest
from small_source import write_source

from components.contracts import SourceTile


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[SourceTile]]:
    root = tmp_path_factory.mktemp("source")
    return root, write_source(root)
