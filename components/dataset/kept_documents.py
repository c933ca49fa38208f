"""Documents that data_root keeps for good, `documents/<sha256>.json`, each named by the sha256 of its own bytes.

A document that another one names by its sha256 can be found here and told from a changed one, whatever the run's own
artifacts have become.
"""

import hashlib
from typing import TypeVar

from components import storage
from components.contracts import Document
from components.errors import DataError

FOLDER = "documents"
_PUSHED = "pushed"
MOST_BYTES = 256 << 20  # as of a manifest

AnyDocument = TypeVar("AnyDocument", bound=Document)


def kept_path(sha256: str) -> str:
    """Returns the path of a kept document under data_root."""
    return f"{FOLDER}/{sha256}.json"


def pushed_uri(data_root: str, version: str) -> str:
    """Returns where data_root says which card a version was published with."""
    return storage.join(data_root, _PUSHED, f"{version}.json")


def keep_document(data_root: str, document: Document) -> str:
    """Writes a document unless it is there already; returns the sha256 of its bytes, which names it."""
    content = document.to_json()
    sha256 = hashlib.sha256(content).hexdigest()
    uri = storage.join(data_root, kept_path(sha256))
    # One that was damaged is mended, as its name says what it must hold.
    if storage.size(uri) != len(content) or storage.read_bytes(uri) != content:
        storage.write_bytes(uri, content)
    return sha256


def read_kept(data_root: str, sha256: str, kind: type[AnyDocument]) -> AnyDocument:
    """Returns a kept document.

    Raises:
      FileNotFoundError: if it is gone.
      DataError: if it is not the document that was kept.
    """
    uri = storage.join(data_root, kept_path(sha256))
    if (size := storage.size(uri)) is not None and size > MOST_BYTES:
        raise DataError(f"{uri!r} must have at most {MOST_BYTES:,} bytes, got {size:,}; restore it")
    content = storage.read_bytes(uri)
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise DataError(f"{uri!r} has sha256 {found[:16]}…, expected that of its name; restore it")
    return kind.from_json(content, uri)
