"""Reads the tiles of a shard one at a time, without TensorFlow."""

from collections.abc import Iterator

from components import storage
from components.contracts import Shard
from components.errors import DataError
from components.records.record_file import read_records
from components.records.tile_record import Record, deserialize


def records_of(data_root: str, shard: Shard, num_classes: int) -> Iterator[Record]:
    """Yields the tiles of a shard, in their order.

    Raises:
      DataError: if the shard is missing, or a record is damaged.
    """
    uri = storage.join(data_root, shard.path)
    try:
        with storage.local_copy(uri) as path:
            for serialized in read_records(path):
                yield deserialize(serialized, num_classes)
    except FileNotFoundError as error:
        raise DataError(f"shard {uri!r} is missing; run the shard step again") from error
    except ValueError as error:
        raise DataError(
            f"shard {uri!r} is damaged {error}; if `agrivision verify` finds it damaged, "
            f"{storage.delete_it(data_root, uri)} and run the shard step again"
        ) from error
