"""Index of the records of a split, for random access to each of them.

It is built from the split's record table, without reading a shard. It allows a true permutation of the whole split in
every epoch without a shuffle buffer: only the current batch is in memory.
"""

import contextlib
import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.contracts import Shard, SplitSummary
from components.errors import DataError
from components.ordered_map import map_in_order
from components.records.record_file import FOOTER, HEADER, header_of, masked_crc
from components.records.record_table import read_table

_NUM_THREADS = 32  # a bucket answers in tens of milliseconds

Places = NDArray[np.integer[Any]]  # unsigned, with 32 bits if they suffice: twelve bytes per record in total


@dataclasses.dataclass(frozen=True)
class ShardIndex:
    """The records of a split, in the order of its shards.

    Attributes:
      uris: The shards.
      shard: Index into `uris`, [N].
      offset: Start of the record's content in its shard, after the header, in bytes, [N].
      length: Length of the record's content in bytes, [N].
      label_bits: As in RecordTable, [N, C / 8 rounded up].
    """

    uris: tuple[str, ...]
    shard: Places
    offset: Places
    length: Places
    label_bits: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.shard)

    def uri(self, record: int) -> str:
        """Returns the shard that holds the record."""
        return self.uris[int(self.shard[record])]

    def read(self, record: int) -> bytes:
        """Returns the serialized record.

        Raises:
          DataError: If its bytes have changed since they were written; names the shard.
        """
        uri, offset, length = self.uri(record), int(self.offset[record]), int(self.length[record])
        start = offset - HEADER.size
        header, content, footer = storage.read_parts(uri, start, (HEADER.size, length, FOOTER.size))
        if header != header_of(length):
            raise DataError(_damaged(uri, f"no record of {length:,} bytes begins at byte {start}"))
        if len(footer) != FOOTER.size or FOOTER.unpack(footer)[0] != masked_crc(content):
            raise DataError(_damaged(uri, f"the record at byte {offset} has a wrong checksum"))
        return content

    def labels(self, num_classes: int) -> NDArray[np.bool_]:
        """Returns whether each record's tile has each class, bool [N, C]."""
        return np.unpackbits(self.label_bits, axis=1, count=num_classes).view(np.bool_)


def index_split(data_root: str, split: SplitSummary, num_classes: int, single_label: bool) -> ShardIndex:
    """Indexes the records of a split; with `single_label`, only those with exactly one class.

    Raises:
      DataError: If a shard or the record table is missing, or its size differs from the manifest's.
    """
    table = read_table(data_root, split, num_classes)
    uris = tuple(storage.join(data_root, shard.path) for shard in split.shards)
    _require_sizes(uris, split.shards)
    shard_sizes = np.array([shard.num_bytes for shard in split.shards], np.int64)
    shard_of = np.repeat(np.arange(len(uris), dtype=np.uint32), [shard.num_tiles for shard in split.shards])
    ends = np.cumsum(table.lengths + (HEADER.size + FOOTER.size))  # as if the shards were one file
    offsets = ends - FOOTER.size - table.lengths - (np.cumsum(shard_sizes) - shard_sizes)[shard_of]
    chosen: Any = np.bitwise_count(table.label_bits).sum(axis=1) == 1 if single_label else slice(None)
    kind = np.uint32 if shard_sizes.max(initial=0) < 2**32 else np.uint64
    return ShardIndex(
        uris,
        shard_of[chosen],
        offsets.astype(kind)[chosen],
        table.lengths.astype(kind)[chosen],
        table.label_bits[chosen],
    )


def _require_sizes(uris: tuple[str, ...], shards: tuple[Shard, ...]) -> None:
    with contextlib.closing(map_in_order(storage.size, uris, _NUM_THREADS)) as sizes:
        for uri, shard, num_bytes in zip(uris, shards, sizes, strict=True):
            if num_bytes != shard.num_bytes:
                found = "none" if num_bytes is None else f"{num_bytes:,} bytes"
                raise DataError(_damaged(uri, f"expected {shard.num_bytes:,} bytes, found {found}"))


def _damaged(uri: str, what: str) -> str:
    data_root = uri.rpartition("/shards/")[0]  # where merge put the shards
    advice = f"{storage.delete_it(data_root, uri)} and run the shard step again"
    return f"shard {uri!r} is damaged or incomplete: {what}; {advice}"
