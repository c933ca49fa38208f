"""Writes and reads the documents that travel between the steps, as canonical JSON and nothing else.

A document ends with a checksum of all the bytes before it. The checksum catches what a parser
cannot: a digit that a disk, a network or an editor changed is still a digit.
"""

import hashlib
import re
from pathlib import Path
from typing import ClassVar, Self

import msgspec

from components.contracts.names import decoding_fault
from components.errors import DataError, naming_place

FORMAT_VERSION = 1

_END = b"\n}\n"
_KEY = b'"checksum"'
_CHECKSUM_LINE = re.compile(rb',\n "checksum": "([0-9a-f]{64})"\n}\n')
_CHECKSUM_LINE_BYTES = len(b',\n "checksum": ""') + 64 + len(_END)


def _in_words(kind: type) -> str:
    """Returns what a document is called in a message, e.g. "run record"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base class of the documents, which writes and reads them."""

    way_out: ClassVar[str] = "restore it, or remove it and rerun the step that makes it"

    def to_json(self) -> bytes:
        """Returns the canonical JSON text, with the checksum and a final newline."""
        content = msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=1).removesuffix(b"\n}")
        return b"".join([content, b',\n "checksum": "', hashlib.sha256(content).hexdigest().encode(), b'"', _END])

    @classmethod
    def from_json(cls, text: bytes, origin: str) -> Self:
        """Parses a document; `origin` is where it came from, for error messages.

        Raises:
          DataError: if `text` is not a document of this type, is of a later format, or differs from what was written.
        """
        line = _CHECKSUM_LINE.fullmatch(text, max(0, len(text) - _CHECKSUM_LINE_BYTES))
        content = text[: line.start()] if line else text
        if line and hashlib.sha256(content).hexdigest().encode() == line[1]:
            return cls._decoded(content + _END, origin)
        if _KEY not in text:
            cls._decoded(text, origin)
            raise DataError(f"{origin} has no checksum: it was written by hand or by an earlier version; {cls.way_out}")
        raise DataError(
            f"{origin} is not the {_in_words(cls)} that was written: its checksum does not match, "
            f"so it was changed, reformatted or cut short; {cls.way_out}"
        )

    @classmethod
    def _decoded(cls, text: bytes, origin: str) -> Self:
        kind = _in_words(cls)
        a_kind = f"{'an' if kind[0] in 'aeio' else 'a'} {kind}"
        try:
            document = msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            fault = decoding_fault(error)
            raise DataError(f"{origin} is not {a_kind} that this version can read: {fault}; {cls.way_out}") from error
        if (version := getattr(document, "format_version", FORMAT_VERSION)) > FORMAT_VERSION:
            raise DataError(
                f"{origin} is {a_kind} of format {version}, and this version of the project reads formats up to "
                f"{FORMAT_VERSION}; use the version that wrote it, or a later one"
            )
        return document

    def write(self, path: str | Path) -> None:
        """Writes the document to a local file, e.g. a KFP artifact."""
        target = Path(path)
        with naming_place(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.to_json())

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Reads a document from a local file, e.g. a KFP artifact."""
        return cls.from_json(Path(path).read_bytes(), str(path))

    @property
    def sha256(self) -> str:
        """The sha256 of the canonical JSON text, in hexadecimal."""
        return hashlib.sha256(self.to_json()).hexdigest()
