"""The form of a TFRecord file: each record between its length and its checksum, one after the other.

TensorFlow writes and reads such files too. Here they are written while their sha256 is taken, so that they need not be
read again, and any record can be read by itself.
"""

import concurrent.futures
import hashlib
import itertools
import os
import struct
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import google_crc32c

HEADER = struct.Struct("<QI")  # length of the record, masked crc of the eight bytes of the length
FOOTER = struct.Struct("<I")  # masked crc of the record
_LENGTH = struct.Struct("<Q")
_RECORDS_AHEAD = 8  # of the hash; a record has about 200 kB


def masked_crc(content: bytes) -> int:
    """Returns the checksum as TFRecord masks it, so that it can be stored beside what it is of."""
    crc = google_crc32c.value(content)
    return int(((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def header_of(length: int) -> bytes:
    """Returns what stands before a record of this length."""
    content = _LENGTH.pack(length)
    return content + FOOTER.pack(masked_crc(content))


class DamagedFile(ValueError):
    """The file is not as it was written.

    Attributes:
      num_records: How many sound records come before the damage.
    """

    def __init__(self, num_records: int, what: str) -> None:
        super().__init__(f"after record {num_records:,}: {what}")
        self.num_records = num_records


def read_records(path: Path, digest: "hashlib._Hash | None" = None) -> Iterator[bytes]:
    """Yields the records of a local file, one at a time, whose checksums are tested.

    A file that was cut off between two records is shorter, but sound; who must know counts.

    Args:
      digest: Is given all bytes that are read, so that a file read to its end need not be read again for its hash.

    Raises:
      FileNotFoundError: if there is no such file.
      DamagedFile: if it ends within a record, or a checksum is wrong.
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
      num_bytes: Written so far.
    """

    def __init__(self, path: Path) -> None:
        self.num_bytes = 0
        self._file = path.open("wb")
        self._sha256 = hashlib.sha256()
        # Hashing takes longer than writing, and does so without the interpreter's lock.
        self._hasher = concurrent.futures.ThreadPoolExecutor(1, "sha256")
        self._hashing: deque[concurrent.futures.Future[None]] = deque()

    def write(self, record: bytes) -> None:
        """Appends one record."""
        parts = (header_of(len(record)), record, FOOTER.pack(masked_crc(record)))
        self._hashing.append(self._hasher.submit(self._hash, parts))
        self._file.writelines(parts)
        self.num_bytes += sum(map(len, parts))
        if len(self._hashing) > _RECORDS_AHEAD:
            self._hashing.popleft().result()

    def _hash(self, parts: Iterable[bytes]) -> None:
        for part in parts:
            self._sha256.update(part)

    def sha256(self) -> str:
        """Returns the hash of what was written so far."""
        while self._hashing:
            self._hashing.popleft().result()
        return self._sha256.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hasher.shutdown(cancel_futures=error is not None)
        self._file.close()
