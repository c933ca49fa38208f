"""Where each record of a split lies, so that any of them can be read by itself.

A TFRecord file is a row of records, each `length (uint64), crc of length, bytes, crc of bytes`. Walking
over the lengths takes 12 bytes per record, and gives a true permutation of the whole split at
every epoch without a shuffle buffer: nothing but the batch at hand is in memory.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.contracts import Shard
from components.errors import DataError
from components.in_order import map_in_order
from components.record_file import FOOTER, HEADER, masked_crc
from components.tile_record import deserialize

_NUM_THREADS = 8
_WINDOW_BYTES = 8 * 2**20  # asked of a bucket at a time, by each thread

Places = NDArray[np.integer[Any]]  # unsigned, of 32 bits where they suffice: twelve bytes a record


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
    shard: Places
    offset: Places
    length: Places

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
        content, footer = storage.read_parts(uri, offset, (length, FOOTER.size))
        if len(footer) != FOOTER.size or FOOTER.unpack(footer)[0] != masked_crc(content):
            raise DataError(_damaged(uri, f"the record at byte {offset} has a wrong checksum"))
        return content


def index_split(data_root: str, shards: Sequence[Shard], num_classes: int, single_label: bool) -> ShardIndex:
    """Indexes the shards of a split, all records or only those with exactly one class.

    Raises:
      DataError: if a shard is missing, damaged, or holds another number of records than the manifest says.
    """
    uris = tuple(storage.join(data_root, shard.path) for shard in shards)
    kind: type[np.integer[Any]] = (
        np.uint32 if max((shard.num_bytes for shard in shards), default=0) < 2**32 else np.uint64
    )
    most = sum(shard.num_tiles for shard in shards)
    shard_of, offsets, lengths = np.zeros(most, np.uint32), np.zeros(most, kind), np.zeros(most, kind)

    def index_one(place: int) -> NDArray[np.int64]:
        shard, uri = shards[place], uris[place]
        spans = _record_spans(uri, shard)  # [N, 2]
        if single_label and shard.num_single_label < shard.num_tiles:
            spans = _with_one_class(uri, spans, num_classes)
        return spans

    end = 0
    with contextlib.closing(map_in_order(index_one, range(len(shards)), _NUM_THREADS)) as indexed:
        for place, spans in enumerate(indexed):
            start, end = end, end + len(spans)
            shard_of[start:end] = place
            offsets[start:end], lengths[start:end] = spans[:, 0], spans[:, 1]
    return ShardIndex(uris, shard_of[:end], offsets[:end], lengths[:end])


def _record_spans(uri: str, shard: Shard) -> NDArray[np.int64]:
    """Returns offset and length of each record of one shard, int64 [N, 2]."""
    num_bytes = storage.size(uri)
    if num_bytes != shard.num_bytes:
        found = "none" if num_bytes is None else f"{num_bytes:,} bytes"
        raise DataError(_damaged(uri, f"expected {shard.num_bytes:,} bytes, found {found}"))
    spans = []
    offset = 0
    with _opened(uri) as read:
        while offset < num_bytes:
            header = read(offset, HEADER.size)
            if len(header) != HEADER.size:
                raise DataError(_damaged(uri, f"it ends within the record at byte {offset}"))
            length, crc = HEADER.unpack(header)
            if crc != masked_crc(header[:8]) or offset + HEADER.size + length + FOOTER.size > num_bytes:
                raise DataError(_damaged(uri, f"no record begins at byte {offset}"))
            spans.append((offset + HEADER.size, length))
            offset += HEADER.size + length + FOOTER.size
    if len(spans) != shard.num_tiles:
        raise DataError(_damaged(uri, f"expected {shard.num_tiles} tiles, found {len(spans)}"))
    return np.array(spans, np.int64).reshape(-1, 2)


@contextlib.contextmanager
def _opened(uri: str) -> Iterator[Callable[[int, int], bytes]]:
    """Yields a function of offset and length, at most a window, that reads from front to back.

    A local file is opened once. A request to a bucket takes longer than a window does to arrive, so it brings one.
    """
    if not storage.is_remote(uri):
        with open(uri, "rb", buffering=0) as file:
            descriptor = file.fileno()
            yield lambda offset, length: os.pread(descriptor, length, offset)
        return
    start, window = 0, b""

    def read(offset: int, length: int) -> bytes:
        nonlocal start, window
        if offset < start or offset + length > start + len(window):
            start, window = offset, storage.read_range(uri, offset, _WINDOW_BYTES)
        return window[offset - start : offset - start + length]

    yield read


def _with_one_class(uri: str, spans: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
    index = ShardIndex((uri,), np.zeros(len(spans), np.int64), spans[:, 0], spans[:, 1])
    try:
        labels = [deserialize(index.read(record), num_classes).labels for record in range(len(index))]
    except ValueError as error:
        raise DataError(_damaged(uri, f"a record is not one of this dataset: {error}")) from error
    return spans[np.array([sum(row) == 1 for row in labels], np.bool_)]


def _damaged(uri: str, what: str) -> str:
    return f"shard {uri!r} is damaged or incomplete: {what}; delete it and run the shard step again"
