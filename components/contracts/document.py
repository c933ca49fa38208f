"""How what travels between the steps is written and read: as canonical JSON, and nothing else is accepted."""

import hashlib
from pathlib import Path
from typing import Self

import msgspec

from components.errors import DataError

FORMAT_VERSION = 1


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the documents: how one is written and read."""

    def to_json(self) -> bytes:
        """Returns the canonical JSON text, with a final newline."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=1) + b"\n"

    @classmethod
    def from_json(cls, text: bytes, origin: str) -> Self:
        """Reads a document; `origin` is where it came from, for the error.

        Raises:
          DataError: if `text` is not such a document.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise DataError(f"{origin} is not a {cls.__name__.lower()} that this version can read: {error}") from error

    def write(self, path: str | Path) -> None:
        """Writes the document to a local file, e.g. a KFP artifact."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.to_json())

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Reads a document from a local file, e.g. a KFP artifact."""
        return cls.from_json(Path(path).read_bytes(), str(path))

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.to_json()).hexdigest()
