"""How a source was last seen: told from its listing alone, in the time that listing takes."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator

import msgspec

from components import storage
from components.contracts import Sighting, SourceFile
from components.errors import DataError
from components.ignored import LeftOut
from pipeline.retrain.triggers import FOLDER

_SOURCES = "sources"
_LANES = 8  # numbers of 64 bits in a hash
_CHUNK = 128  # files


class ListingDigest:
    """A digest over the path, size and version of every file of a listing, in whatever order they come.

    It is the sum of the files' hashes, as eight numbers of 64 bits that wrap around. A sum does not depend on the
    order, so nothing is kept but the sum; and equal parts do not cancel out. It tells listings apart; it is no defence
    against somebody who builds one to look like another.

    Attributes:
      num_files: How many were added.
    """

    def __init__(self) -> None:
        # Imported here because it takes a moment to load, which other commands need not wait for.
        import numpy as np

        self.num_files = 0
        self._numpy = np
        self._sum = np.zeros(_LANES, np.uint64)

    def add(self, files: Iterable[SourceFile | LeftOut]) -> Iterator[SourceFile | LeftOut]:
        """Yields what it is given, and adds the files."""
        for some in _by_chunks(files):
            self._add(some)
            yield from some

    def add_all(self, files: Iterable[SourceFile | LeftOut]) -> None:
        """Adds the files."""
        for some in _by_chunks(files):
            self._add(some)

    def _add(self, files: list[SourceFile | LeftOut]) -> None:
        # Runs once for each file of a source: hashed one by one, and summed many at a time.
        encode, blake2b = msgspec.json.Encoder().encode, hashlib.blake2b
        hashes = [blake2b(encode(file)).digest() for file in files if type(file) is SourceFile]
        self.num_files += len(hashes)
        lanes = self._numpy.frombuffer(b"".join(hashes), "<u8").reshape(-1, _LANES)
        self._sum += lanes.sum(axis=0, dtype=self._numpy.uint64)

    def hexdigest(self) -> str:
        """Returns the digest as 64 hexadecimal digits."""
        return hashlib.sha256(self._sum.astype("<u8").tobytes()).hexdigest()


def _by_chunks(files: Iterable[SourceFile | LeftOut]) -> Iterator[list[SourceFile | LeftOut]]:
    found = iter(files)
    while some := list(itertools.islice(found, _CHUNK)):
        yield some


def sighting_uri(data_root: str, source_uri: str) -> str:
    """Returns where is written how a source was last seen; `source_uri` is as change_key.same_place gives it."""
    source_id = hashlib.sha256(source_uri.encode(errors="surrogateescape")).hexdigest()[:32]
    return storage.join(data_root, FOLDER, _SOURCES, f"{source_id}.json")


def read_sighting(data_root: str, source_uri: str) -> tuple[Sighting | None, str | None]:
    """Returns how a source was last seen, or None, and the token that write_sighting takes.

    One that cannot be read is as good as none: it is only a memory.
    """
    uri = sighting_uri(data_root, source_uri)
    content, token = storage.read_pointer(uri)
    if content is None:
        return None, None
    try:
        sighting = Sighting.from_json(content, uri)
    except DataError:
        return None, token
    return (sighting if sighting.source_uri == source_uri else None), token


def write_sighting(data_root: str, sighting: Sighting, token: str | None) -> None:
    """Writes how a source was seen.

    Raises:
      storage.Conflict: if somebody else wrote meanwhile.
    """
    storage.compare_and_swap(sighting_uri(data_root, sighting.source_uri), token, sighting.to_json())
