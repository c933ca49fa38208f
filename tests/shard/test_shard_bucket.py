"""Source and data_root on a bucket. The tests need a gs:// server: STORAGE_EMULATOR_HOST and what its client needs."""

import os
import uuid
from pathlib import Path

import pytest
from made_bucket import make_bucket
from sharded import shard_and_merge
from small_source import plan, write_source

from components import storage
from components.dataset.audit.verify import verify_manifest
from components.errors import DataError

pytestmark = [
    pytest.mark.gcs,
    pytest.mark.skipif("STORAGE_EMULATOR_HOST" not in os.environ, reason="needs a gs:// server, STORAGE_EMULATOR_HOST"),
]


def upload(folder: Path, uri: str) -> str:
    for file in storage.list_files(str(folder)):
        storage.write_bytes(storage.join(uri, file.path), (folder / file.path).read_bytes())
    return uri


def test_a_bucket_gets_the_same_dataset_as_a_folder_and_mends_a_cut_shard(tmp_path: Path) -> None:

    bucket = f"shard-{uuid.uuid4().hex}"
    make_bucket(bucket)
    tiles = write_source(tmp_path / "source")
    expected = shard_and_merge(
        plan(tmp_path / "source", tmp_path / "data", tiles), tmp_path / "data", tmp_path / "data"
    )

    source_uri = upload(tmp_path / "source", f"gs://{bucket}/source")
    inventory_path = plan(source_uri, tmp_path / "planned", tiles, num_partitions=2)
    data_root = upload(tmp_path / "planned", f"gs://{bucket}/data")
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    assert shard_and_merge(inventory_path, data_root, artifacts) == expected
    assert (artifacts / "report.html").read_bytes() == (tmp_path / "data" / "report.html").read_bytes()
    assert {file.path for file in storage.list_files(f"{data_root}/shards")} == {
        path.name for path in (tmp_path / "data" / "shards").iterdir()
    }

    manifest_uri = f"{data_root}/datasets/{expected.sha256[:16]}/manifest.json"
    assert verify_manifest(manifest_uri).num_tiles == 20
    shard_uri = storage.join(data_root, expected.splits["train"].shards[0].path)
    storage.write_bytes(shard_uri, storage.read_bytes(shard_uri)[:-5])
    with pytest.raises(DataError, match=r"has [\d,]+ bytes, expected"):
        verify_manifest(manifest_uri)
    assert shard_and_merge(inventory_path, data_root, artifacts) == expected
    assert verify_manifest(manifest_uri).num_tiles == 20
