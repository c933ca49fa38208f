"""The files of a version that no model server needs: its page, its STAC item, the model in other formats.

Their digests stand in card.json, as those of the SavedModel do. A reader of the SavedModel leaves them out, so their
size costs nobody anything; whoever uses one compares its digest first.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from components import storage
from components.contracts import ModelCard
from components.errors import DataError
from components.registry.layout import CARD
from components.registry.signature import SIGNATURE

_MIB = 1 << 20
_MOST_BYTES = 2048 * _MIB  # as the variables of a SavedModel
_BYTES_AT_ONCE = 16 * _MIB


def beside_model(card: ModelCard) -> tuple[str, ...]:
    """Returns the paths in a version's folder that are no part of the SavedModel."""
    return CARD, SIGNATURE, *card.attachments


def attachment_digests(folder: Path, paths: Iterable[str]) -> dict[str, str]:
    """Returns the sha256 of files in a local folder, by path."""
    found = {}
    for path in paths:
        with (folder / path).open("rb") as content:
            found[path] = hashlib.file_digest(content, "sha256").hexdigest()
    return found


def check_attachments(uri: str, card: ModelCard) -> None:
    """Compares the attachments of a published version with its card.

    Raises:
      DataError: for the first that is missing, too large, or not as it was pushed.
    """
    for path, expected in sorted(card.attachments.items()):
        file_uri = storage.join(uri, path)
        size = storage.size(file_uri)
        if size is None:
            raise DataError(f"{file_uri!r} is missing; restore it, or push again")
        if size > _MOST_BYTES:
            raise DataError(f"{file_uri!r} must have at most {_MOST_BYTES:,} bytes, got {size:,}")
        digest = hashlib.sha256()
        for offset in range(0, size, _BYTES_AT_ONCE):
            digest.update(storage.read_range(file_uri, offset, min(_BYTES_AT_ONCE, size - offset)))
        if digest.hexdigest() != expected:
            raise DataError(
                f"{file_uri!r} has sha256 {digest.hexdigest()[:16]}…, expected {expected[:16]}…: it is not the file "
                "that was pushed; restore it, or push again"
            )
