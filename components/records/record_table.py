"""A table of a split's records: the length of each, and the classes of its tile.

The table is a file next to the shards, named by its content like them, with about six bytes per record. It tells a
worker where every record is, which tiles have only one class, and how rare each class is. Without it, the worker would
have to read, or on a bucket download, all shards.
"""

import dataclasses
import hashlib
import itertools
import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.contracts import SplitSummary
from components.errors import DataError
from components.records.record_file import FOOTER, HEADER, MAX_RECORD_BYTES

_LENGTH = struct.Struct("<I")
_FRAME_BYTES = HEADER.size + FOOTER.size


@dataclasses.dataclass(frozen=True)
class RecordTable:
    """The records of a split, in the order of its shards.

    Attributes:
      lengths: Bytes of each record, int64 [N].
      label_bits: One bit per class, set if the tile has it, the first class highest, uint8 [N, C / 8 rounded up].
    """

    lengths: NDArray[np.int64]
    label_bits: NDArray[np.uint8]


def row_bytes(num_classes: int) -> int:
    """Returns the length of a row in bytes."""
    return _LENGTH.size + -(-num_classes // 8)


def row(num_bytes: int, labels: Sequence[float]) -> bytes:
    """Returns the row of a record of `num_bytes` bytes; its tile has the classes where `labels`, [C], is above 0."""
    return _LENGTH.pack(num_bytes) + np.packbits(np.asarray(labels) > 0).tobytes()


def label_bits(rows: bytes | bytearray, index: int, classes: Sequence[str]) -> bytes:
    """Returns the bits of one row's classes; see RecordTable."""
    end = (index + 1) * row_bytes(len(classes))
    return bytes(rows[end - row_bytes(len(classes)) + _LENGTH.size : end])


def num_without_class(rows: bytes | bytearray, num_classes: int) -> int:
    """Returns how many rows are of tiles without a class."""
    bits = np.frombuffer(rows, np.uint8).reshape(-1, row_bytes(num_classes))[:, _LENGTH.size :]
    return int(np.count_nonzero(~bits.any(axis=1)))


def label_names(bits: bytes, classes: Sequence[str]) -> str:
    """Returns the names of a tile's classes, comma-separated."""
    present = np.unpackbits(np.frombuffer(bits, np.uint8), count=len(classes))
    return ", ".join(name for name, has in zip(classes, present.tolist(), strict=True) if has)


def table_uri(data_root: str, sha256: str) -> str:
    """Returns the URI of the table with this hash, whether or not it exists yet."""
    return storage.join(data_root, "shards", f"{sha256}.records")


def publish_table(data_root: str, rows: bytes) -> None:
    """Writes a table unless it exists; an existing file with its name and another content is damaged, and replaced."""
    uri = table_uri(data_root, hashlib.sha256(rows).hexdigest())
    if storage.size(uri) != len(rows) or storage.read_bytes(uri) != rows:
        storage.write_bytes(uri, rows)


def read_table(data_root: str, split: SplitSummary, num_classes: int) -> RecordTable:
    """Reads the table of a split named in the manifest.

    Raises:
      DataError: if it is missing, or does not match the shards.
    """
    uri, way_out = table_uri(data_root, split.records_sha256), "run the pipeline again on the same source"
    try:
        content = storage.read_bytes(uri)
    except FileNotFoundError as error:
        raise DataError(f"the table of records {uri!r} is gone; {way_out}") from error
    if (found := hashlib.sha256(content).hexdigest()) != split.records_sha256:
        raise DataError(
            f"{uri!r} has sha256 {found[:16]}…, expected {split.records_sha256[:16]}…; "
            f"{storage.delete_it(data_root, uri)} and {way_out}"
        )
    form = np.dtype([("length", "<u4"), ("label_bits", "u1", (row_bytes(num_classes) - _LENGTH.size,))])
    if len(content) != split.num_tiles * form.itemsize:
        raise DataError(
            f"{uri!r} has {len(content):,} bytes, expected {form.itemsize} for each of {split.num_tiles:,} tiles"
        )
    rows = np.frombuffer(content, form)
    lengths = rows["length"].astype(np.int64)
    if (longest := int(lengths.max(initial=0))) > MAX_RECORD_BYTES:
        raise DataError(f"{uri!r} lists a record of {longest:,} bytes, at most {MAX_RECORD_BYTES:,} are read")
    ends = list(itertools.accumulate((shard.num_tiles for shard in split.shards), initial=0))
    for shard, (start, end) in zip(split.shards, itertools.pairwise(ends), strict=True):
        if (num_bytes := int(lengths[start:end].sum()) + _FRAME_BYTES * (end - start)) != shard.num_bytes:
            raise DataError(f"{uri!r} lists {num_bytes:,} bytes in {shard.path!r}, expected {shard.num_bytes:,}")
    return RecordTable(lengths, rows["label_bits"].copy())
