"""Reads a whole dataset back and compares it with its manifest."""

import dataclasses
import hashlib
from pathlib import Path

from components import storage
from components.contracts import Manifest, Shard
from components.dataset.field_file import NAME as FIELDS_NAME
from components.dataset.field_file import check_fields
from components.dataset.manifest_file import read_manifest
from components.errors import DataError, SettingsError
from components.records.record_file import DamagedFile, read_records
from components.records.record_table import read_table

_MISSING = "is missing"


@dataclasses.dataclass(frozen=True)
class VerifyReport:
    """What was read of a dataset that matches its manifest."""

    dataset_id: str
    num_tiles: int
    num_shards: int
    num_bytes: int

    def __str__(self) -> str:
        return (
            f"dataset {self.dataset_id}: {self.num_tiles:,} tiles in {self.num_shards:,} shards "
            f"({self.num_bytes / 1e9:.2f} GB) match the manifest"
        )


def verify_manifest(manifest_uri: str, data_root: str | None = None) -> VerifyReport:
    """Compares size, sha256 and number of records of every shard with the manifest, and checks the tables too.

    Args:
      manifest_uri: Local file or `gs://` object, or a folder; see read_manifest.
      data_root: Folder that the shards' paths are relative to; defaults to the one above `datasets/<id>/manifest.json`.

    Raises:
      DataError: if there is no such manifest, or a shard or a table differs; names the first one.
    """
    manifest, dataset_id, data_root = open_manifest(manifest_uri, data_root)
    shards = [(split, shard) for split, summary in manifest.splits.items() for shard in summary.shards]
    for split, shard in shards:
        uri = storage.join(data_root, shard.path)
        if difference := _difference(shard, uri):
            missing = difference == _MISSING
            advice = "check that this is its data_root" if missing else storage.delete_it(data_root, uri)
            raise DataError(
                f"{split} shard {shard.path!r} under {data_root!r} {difference}; "
                f"{advice} and run the pipeline again on the same source"
            )
    for split, summary in manifest.splits.items():
        if (num_tiles := sum(shard.num_tiles for shard in summary.shards)) != summary.num_tiles:
            raise DataError(f"{manifest_uri!r}: {split} has {summary.num_tiles} tiles, but its shards have {num_tiles}")
    check_fields(storage.join(data_root, "datasets", dataset_id, FIELDS_NAME), manifest)
    for summary in manifest.splits.values():
        read_table(data_root, summary, len(manifest.classes))
    return VerifyReport(
        dataset_id=dataset_id,
        num_tiles=manifest.num_tiles,
        num_shards=len(shards),
        num_bytes=sum(shard.num_bytes for _, shard in shards),
    )


def open_manifest(manifest_uri: str, data_root: str | None = None) -> tuple[Manifest, str, str]:
    """Returns a manifest, the id of its dataset, and the data_root that its shards' paths are relative to.

    Args:
      manifest_uri: As read_manifest takes it.

    Raises:
      DataError: if there is no such manifest, or its path does not tell where its shards are.
      SettingsError: if it could be several, or there is no data_root.
    """
    manifest, content, found = read_manifest(manifest_uri)
    # What somebody wrote over has another form than ours; its id is then that of no dataset.
    dataset_id = manifest.dataset_id if content == manifest.to_json() else hashlib.sha256(content).hexdigest()[:16]
    if data_root is None:
        return manifest, dataset_id, _root_of(found, dataset_id)
    if not storage.is_remote(data_root) and not Path(data_root).is_dir():
        raise SettingsError(f"data_root {data_root!r} is no folder; expected the one that holds shards/")
    return manifest, dataset_id, data_root


def _root_of(manifest_uri: str, dataset_id: str) -> str:
    """Returns the folder above `datasets/<id>/manifest.json`."""
    uri = manifest_uri if storage.is_remote(manifest_uri) else str(Path(manifest_uri).absolute())
    root, _, rest = uri.rpartition("/datasets/")
    folder = rest.partition("/")[0]
    if not root or rest.count("/") != 1:
        raise DataError(
            f"cannot tell where the shards of {manifest_uri!r} are; "
            "expected <data_root>/datasets/<id>/manifest.json, or give the data_root"
        )
    if folder != dataset_id:
        raise DataError(f"{manifest_uri!r} was changed after it was written: its content has the id {dataset_id}")
    return root


def _difference(shard: Shard, uri: str) -> str:
    """Returns what differs, as the end of a sentence that names the shard; empty if nothing does."""
    num_bytes = storage.size(uri)
    if num_bytes is None:
        return _MISSING
    if num_bytes != shard.num_bytes:
        return f"has {num_bytes:,} bytes, expected {shard.num_bytes:,}"
    digest, num_records = hashlib.sha256(), 0
    with storage.local_copy(uri) as local:
        try:
            for _ in read_records(local, digest):
                num_records += 1
        except DamagedFile as error:
            return f"is damaged after record {error.num_records:,} of {shard.num_tiles:,}"
    if num_records != shard.num_tiles:
        return f"has {num_records:,} records, expected {shard.num_tiles:,}"
    if (sha256 := digest.hexdigest()) != shard.sha256:
        return f"has sha256 {sha256[:16]}…, expected {shard.sha256[:16]}…"
    return ""
