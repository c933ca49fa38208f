"""Reads the tiles of a shard one at a time, without TensorFlow."""

import hashlib
from collections.abc import Iterator

from components import storage
from components.contracts import Shard
from components.errors import DataError
from components.records.record_file import read_records
from components.records.tile_record import Record, deserialize


def records_of(data_root: str, shard: Shard, num_classes: int) -> Iterator[Record]:
    """Yields the tiles of a shard, in their order.

    Who reads to the end knows that the shard is the one that the manifest names: its sha256 is compared there. Before
    it, only checksums are, which whoever writes a file can make right.

    Raises:
      DataError: if the shard is missing, a record is damaged, or at the end the sha256 differs.
    """
    uri = storage.join(data_root, shard.path)
    digest = hashlib.sha256()
    try:
        with storage.local_copy(uri) as path:
            for serialized in read_records(path, digest):
                yield deserialize(serialized, num_classes)
    except FileNotFoundError as error:
        raise DataError(f"shard {uri!r} is missing; run the shard step again") from error
    except ValueError as error:
        raise DataError(
            f"shard {uri!r} is damaged {error}; if `agrivision verify` finds it damaged, "
            f"{storage.delete_it(data_root, uri)} and run the shard step again"
        ) from error
    if (found := digest.hexdigest()) != shard.sha256:
        raise DataError(
            f"shard {uri!r} has sha256 {found[:16]}…, expected {shard.sha256[:16]}…; "
            f"{storage.delete_it(data_root, uri)} and run the pipeline again on the same source"
        )
