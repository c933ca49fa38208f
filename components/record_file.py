"""The form of a TFRecord file: each record between its length and its checksum, one after the other.

TensorFlow writes and reads such files too. Here they are written while their sha256 is taken, so that they need not be
read again, and any record can be read by itself.
"""

import concurrent.futures
import hashlib
import struct
from collections import deque
from collections.abc import Iterable
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
        length = _LENGTH.pack(len(record))
        parts = (length, FOOTER.pack(masked_crc(length)), record, FOOTER.pack(masked_crc(record)))
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
