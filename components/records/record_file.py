"""Reads and writes TFRecord files: records one after the other, each between its length and its checksum.

TensorFlow also reads and writes such files. This writer computes the sha256 as it writes, so no file needs to be read
again, and any single record can be read alone.
"""

import concurrent.futures
import hashlib
import itertools
import os
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import google_crc32c

from components.errors import naming_place
from components.records.image_header import MAX_FILE_BYTES

MAX_RECORD_BYTES = 3 * MAX_FILE_BYTES + 2**20  # a tile's three images and all else
HEADER = struct.Struct("<QI")  # length of the record, masked crc of the length's eight bytes
FOOTER = struct.Struct("<I")  # masked crc of the record
_LENGTH = struct.Struct("<Q")
_BYTES_AT_ONCE = 1 << 20  # per hand-over to the writing thread; a record has about 200 kB
_HANDED_AHEAD = 2  # hand-overs waiting behind the one being written
_PARTS_AT_ONCE = 1000  # the system takes no more than 1,024 in one call
_BYTES_SYNCED_AT_ONCE = 8 << 20


def masked_crc(content: bytes) -> int:
    """Returns the checksum as TFRecord masks it, so that it can be stored next to its content."""
    crc = google_crc32c.value(content)
    return int(((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def header_of(length: int) -> bytes:
    """Returns the header of a record of this length."""
    content = _LENGTH.pack(length)
    return content + FOOTER.pack(masked_crc(content))


class DamagedFile(ValueError):
    """The file has changed since it was written.

    Attributes:
      num_records: Number of intact records before the damage.
    """

    def __init__(self, num_records: int, what: str) -> None:
        super().__init__(f"after record {num_records:,}: {what}")
        self.num_records = num_records


def read_records(path: Path, digest: "hashlib._Hash | None" = None) -> Iterator[bytes]:
    """Yields the records of a local file one at a time, checking their checksums.

    A file cut off between two records passes as a shorter file; to detect that, count the records.

    Args:
      digest: Receives all bytes that are read, so a file read to its end need not be read again for its hash.

    Raises:
      FileNotFoundError: if there is no such file.
      DamagedFile: if it ends within a record, a checksum is wrong, or a record is too large to be a tile.
    """
    with path.open("rb") as file:
        left = os.fstat(file.fileno()).st_size
        for number in itertools.count():
            header = file.read(HEADER.size)
            if not header:
                return
            if len(header) < HEADER.size:
                raise DamagedFile(number, "the file ends within a record")
            length, crc = HEADER.unpack(header)
            if crc != masked_crc(header[: _LENGTH.size]):
                raise DamagedFile(number, "the checksum of a length is wrong")
            left -= HEADER.size + length + FOOTER.size
            if left < 0:
                raise DamagedFile(number, "the file ends within a record")
            if length > MAX_RECORD_BYTES:
                raise DamagedFile(
                    number, f"a record has {length >> 20} MiB, at most {MAX_RECORD_BYTES >> 20} MiB are read"
                )
            record, footer = file.read(length), file.read(FOOTER.size)
            if len(footer) < FOOTER.size:
                raise DamagedFile(number, "the file ends within a record")
            if FOOTER.unpack(footer)[0] != masked_crc(record):
                raise DamagedFile(number, "the checksum of a record is wrong")
            if digest is not None:
                for part in (header, record, footer):
                    digest.update(part)
            yield record


class RecordWriter:
    """Writes a local TFRecord file, which is complete when the context ends without an error.

    Attributes:
      num_bytes: Bytes written so far.
    """

    def __init__(self, path: Path, stays: bool = False) -> None:
        """Creates the file.

        Args:
          stays: The file will be synced in this place, so its bytes start going to disk while more are written.
        """
        self.num_bytes = 0
        self._file = path.open("wb", buffering=0)
        self._stays = stays
        self._num_written = 0
        self._num_synced = 0
        self._sha256 = hashlib.sha256()
        # Writing and hashing take most of the time of a record, and release the interpreter's lock.
        self._writer = concurrent.futures.ThreadPoolExecutor(1, "write")
        self._handed_over: deque[concurrent.futures.Future[None]] = deque()
        self._waiting: list[bytes] = []
        self._num_waiting = 0

    def write(self, record: bytes) -> None:
        """Appends one record.

        Raises:
          OSError: if this record or an earlier one cannot be written.
          ValueError: if the file is closed.
        """
        if self._file.closed:
            raise ValueError("the file is closed")
        parts = (header_of(len(record)), record, FOOTER.pack(masked_crc(record)))
        num_bytes = sum(map(len, parts))
        self.num_bytes += num_bytes
        self._num_waiting += num_bytes
        self._waiting += parts
        if self._num_waiting >= _BYTES_AT_ONCE:
            self._hand_over()
            if len(self._handed_over) > _HANDED_AHEAD:
                self._handed_over.popleft().result()

    def _hand_over(self) -> None:
        self._handed_over.append(self._writer.submit(self._append, self._waiting))
        self._waiting, self._num_waiting = [], 0

    def _append(self, parts: Sequence[bytes]) -> None:
        descriptor = self._file.fileno()
        with naming_place(self._file.name):
            _write_all(descriptor, parts)
        for part in parts:
            self._sha256.update(part)
        self._num_written += sum(map(len, parts))
        if self._stays and self._num_written - self._num_synced >= _BYTES_SYNCED_AT_ONCE:
            _begin_sync(descriptor, self._num_synced, self._num_written - self._num_synced)
            self._num_synced = self._num_written

    def sha256(self) -> str:
        """Returns the hash of the bytes written so far."""
        self._finish()
        return self._sha256.hexdigest()

    def _finish(self) -> None:
        if self._waiting:
            self._hand_over()
        while self._handed_over:
            self._handed_over.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            self._writer.shutdown(cancel_futures=True)
            self._file.close()


def _write_all(descriptor: int, parts: Sequence[bytes]) -> None:
    # Each call releases the interpreter's lock, and getting it back from busy threads takes longer than writing.
    for start in range(0, len(parts), _PARTS_AT_ONCE):
        some = parts[start : start + _PARTS_AT_ONCE]
        if left := sum(map(len, some)) - os.writev(descriptor, some):  # e.g. when the disk is nearly full
            rest = memoryview(b"".join(some))[-left:]
            while rest:
                rest = rest[os.write(descriptor, rest) :]


def _begin_sync(descriptor: int, offset: int, num_bytes: int) -> None:
    """Makes the system start writing the latest bytes to disk, so that a later sync waits for fewer of them."""
    if hasattr(os, "posix_fadvise"):  # not on macOS
        # The advice starts the writing; bytes on their way to disk stay in memory anyway.
        os.posix_fadvise(descriptor, offset, num_bytes, os.POSIX_FADV_DONTNEED)
