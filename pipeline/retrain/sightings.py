"""How a source was last seen: told from its listing alone, in the time that listing takes."""

import hashlib
from collections.abc import Iterable

import msgspec

from components import storage
from components.contracts import Sighting, SourceFile
from components.errors import DataError
from components.ignored import LeftOut
from pipeline.retrain.triggers import FOLDER

_SOURCES = "sources"


class ListingDigest:
    """A sha256 over the path, size and version of every file of a listing, in whatever order they come.

    A sum of hashes does not depend on their order, so nothing is kept but the sum; see TileTable.fingerprint.

    Attributes:
      num_files: How many were added.
    """

    def __init__(self) -> None:
        self.num_files = 0
        self._sum = 0

    def add(self, files: Iterable[SourceFile | LeftOut]) -> Iterable[SourceFile | LeftOut]:
        """Yields what it is given, and adds the files."""
        for file in files:
            if type(file) is SourceFile:
                self.num_files += 1
                self._sum += int.from_bytes(hashlib.sha256(msgspec.json.encode(file)).digest())
            yield file

    def add_all(self, files: Iterable[SourceFile | LeftOut]) -> None:
        """Adds the files; as fast as it can, since this runs once for each file of a source."""
        encode, sha256, to_int = msgspec.json.Encoder().encode, hashlib.sha256, int.from_bytes
        total = count = 0
        for file in files:
            if type(file) is SourceFile:
                count += 1
                total += to_int(sha256(encode(file)).digest())
        self.num_files += count
        self._sum += total

    def hexdigest(self) -> str:
        """Returns the digest as 64 hexadecimal digits."""
        return hashlib.sha256(self._sum.to_bytes(48)).hexdigest()


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
