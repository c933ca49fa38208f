"""Where each record of a split lies, so that any of them can be read by itself.

A TFRecord file is a row of records, each `length (uint64), crc of length, bytes, crc of bytes`. Walking
over the lengths takes 12 bytes per record, and gives a true permutation of the whole split at
every epoch without a shuffle buffer: nothing but the batch at hand is in memory.
"""

import concurrent.futures
import dataclasses
import struct
from collections.abc import Sequence

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from components import storage, tfrecords
from components.contracts import Shard
from components.errors import DataError

_HEADER = struct.Struct("<QI")  # length of the record, masked crc of the eight bytes of the length
_FOOTER = struct.Struct("<I")  # masked crc of the record
_NUM_THREADS = 8


@dataclasses.dataclass(frozen=True)
class ShardIndex:
    """The records of a split, in the order of its shards.

    Attributes:
      uris: The shards.
      shard: Index into `uris`, [N].
      offset: Where the record's bytes begin in its shard, [N].
      length: How many bytes it has, [N].
    """

    uris: tuple[str, ...]
    shard: NDArray[np.int64]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.shard)

    def uri(self, record: int) -> str:
        """Returns the shard that holds the record."""
        return self.uris[int(self.shard[record])]

    def read(self, record: int) -> bytes:
        """Returns the serialized record.

        Raises:
          DataError: if its bytes are not those that were written; names the shard.
        """
        uri, offset, length = self.uri(record), int(self.offset[record]), int(self.length[record])
        stored = storage.read_range(uri, offset, length + _FOOTER.size)
        content = stored[:length]
        if len(stored) != length + _FOOTER.size or _FOOTER.unpack(stored[length:])[0] != _masked_crc(content):
            raise DataError(_damaged(uri, f"the record at byte {offset} has a wrong checksum"))
        return content


def index_split(data_root: str, shards: Sequence[Shard], num_classes: int, single_label: bool) -> ShardIndex:
    """Indexes the shards of a split, all records or only those with exactly one class.

    Raises:
      DataError: if a shard is missing, damaged, or holds another number of records than the manifest says.
    """
    uris = tuple(storage.join(data_root, shard.path) for shard in shards)

    def index_one(place: int) -> NDArray[np.int64]:
        shard, uri = shards[place], uris[place]
        spans = _record_spans(uri, shard)  # [N, 2]
        if single_label and shard.num_single_label < shard.num_tiles:
            spans = _with_one_class(uri, spans, num_classes)
        return spans

    with concurrent.futures.ThreadPoolExecutor(_NUM_THREADS) as pool:
        spans = list(pool.map(index_one, range(len(shards))))
    shard_of = np.repeat(np.arange(len(shards)), [len(rows) for rows in spans])
    both = np.concatenate(spans) if spans else np.zeros((0, 2), np.int64)
    return ShardIndex(uris, shard_of.astype(np.int64), both[:, 0], both[:, 1])


def _record_spans(uri: str, shard: Shard) -> NDArray[np.int64]:
    """Returns offset and length of each record of one shard, int64 [N, 2]."""
    num_bytes = storage.size(uri)
    if num_bytes != shard.num_bytes:
        found = "none" if num_bytes is None else f"{num_bytes:,} bytes"
        raise DataError(_damaged(uri, f"expected {shard.num_bytes:,} bytes, found {found}"))
    # A request to a bucket takes longer than a whole shard does to arrive; a local file is walked in place.
    whole = storage.read_bytes(uri) if storage.is_remote(uri) else None
    spans = []
    offset = 0
    while offset < num_bytes:
        end = offset + _HEADER.size
        header = storage.read_range(uri, offset, _HEADER.size) if whole is None else whole[offset:end]
        if len(header) != _HEADER.size:
            raise DataError(_damaged(uri, f"it ends within the record at byte {offset}"))
        length, crc = _HEADER.unpack(header)
        if crc != _masked_crc(header[:8]) or offset + _HEADER.size + length + _FOOTER.size > num_bytes:
            raise DataError(_damaged(uri, f"no record begins at byte {offset}"))
        spans.append((offset + _HEADER.size, length))
        offset += _HEADER.size + length + _FOOTER.size
    if len(spans) != shard.num_tiles:
        raise DataError(_damaged(uri, f"expected {shard.num_tiles} tiles, found {len(spans)}"))
    return np.array(spans, np.int64).reshape(-1, 2)


def _with_one_class(uri: str, spans: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
    index = ShardIndex((uri,), np.zeros(len(spans), np.int64), spans[:, 0], spans[:, 1])
    labels = [tfrecords.parse(index.read(record), num_classes)["labels"].numpy() for record in range(len(index))]
    return spans[np.array([row.sum() == 1 for row in labels], np.bool_)]


def _damaged(uri: str, what: str) -> str:
    return f"shard {uri!r} is damaged or incomplete: {what}; delete it and run the shard step again"


def _masked_crc(content: bytes) -> int:
    """Returns the checksum as TFRecord masks it."""
    crc = google_crc32c.value(content)
    return int(((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
