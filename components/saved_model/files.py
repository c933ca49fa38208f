"""The files of a SavedModel: which there may be, how large, and the sha256 of each. Imports no TensorFlow.

The sha256 of every file goes from the training into its receipt, and from a push into the model's card. Whoever loads a
model copies it first and loads the copy, so that what is loaded is what was compared.
"""

import hashlib
import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from components import storage
from components.errors import DataError, naming_place
from components.storage import disk

GRAPH = "saved_model.pb"
_MIB = 1 << 20
# The names that our exports have, and the most bytes of each: four times those of the largest backbone, or more.
_LARGEST = {
    re.compile(r"saved_model\.pb"): 64 * _MIB,
    re.compile(r"fingerprint\.pb"): 1 * _MIB,
    re.compile(r"variables/variables\.index"): 16 * _MIB,
    re.compile(r"variables/variables\.data-\d{5}-of-\d{5}"): 2048 * _MIB,
}
_MOST_FILES = 16
_BYTES_AT_ONCE = 16 * _MIB


def digests(uri: str) -> dict[str, str]:
    """Returns the sha256 of each file of the SavedModel in a folder or on a bucket, by its path.

    Raises:
      DataError: if there is no SavedModel, or a file that none has.
    """
    found = {}
    for path in _listed(uri, ()):
        digest = hashlib.sha256()
        for part in _parts(storage.join(uri, path), _limit(uri, path)):
            digest.update(part)
        found[path] = digest.hexdigest()
    return found


def verified_copy(uri: str, files: Mapping[str, str], folder: Path, beside: Collection[str] = ()) -> Path:
    """Copies a SavedModel to the local `folder`, which is new, and returns it; the copy has the digests in `files`.

    Args:
      files: The sha256 of each file by its path, from the model's receipt or card.
      beside: Further files that belong there, which are not copied.

    Raises:
      DataError: if a file is missing, too large or not as it was when `files` was made, or there is one more.
    """
    present = _listed(uri, beside)
    if not files:
        raise DataError(
            f"the model at {uri!r} cannot be verified: its document comes from an earlier version of this project and "
            "names no sha256 of its files; train and push it again"
        )
    for path in sorted(present.union(files)):
        file_uri = storage.join(uri, path)
        if path not in files:
            raise DataError(f"{file_uri!r} is no part of the model that was exported; remove it, or train again")
        limit = _limit(uri, path)
        target = disk.place_below(folder, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with naming_place(target), target.open("wb") as copy:
            for part in _parts(file_uri, limit):
                digest.update(part)
                copy.write(part)
        if digest.hexdigest() != files[path]:
            raise DataError(
                f"{file_uri!r} has sha256 {digest.hexdigest()[:16]}…, expected {files[path][:16]}…: it is not the file "
                "that was exported; restore it, or train and push again"
            )
    return folder


def _listed(uri: str, beside: Collection[str]) -> set[str]:
    if not storage.exists(storage.join(uri, GRAPH)):
        raise DataError(f"no SavedModel at {uri!r}; was it removed after training?")
    some = {file.path for file in itertools.islice(storage.list_files(uri), _MOST_FILES + 1)}
    if len(some) > _MOST_FILES:
        raise DataError(f"{uri!r} holds more than {_MOST_FILES} files, which is no SavedModel of this project")
    return some.difference(beside)


def _limit(uri: str, path: str) -> int:
    for name, limit in _LARGEST.items():
        if name.fullmatch(path):
            return limit
    raise DataError(f"{storage.join(uri, path)!r} is no file that a SavedModel of this project has")


def _parts(uri: str, limit: int) -> Iterator[bytes]:
    size = storage.size(uri)
    if size is None:
        raise DataError(f"{uri!r} is missing; restore it, or train and push again")
    if size > limit:
        raise DataError(f"{uri!r} must have at most {limit:,} bytes, got {size:,}")
    for offset in range(0, size, _BYTES_AT_ONCE):
        yield storage.read_range(uri, offset, min(_BYTES_AT_ONCE, size - offset))
