"""The places of a run, checked before anything starts: what may name one, and whether it can be read and written."""

import contextlib
import fcntl
import os
import re
import tempfile
from pathlib import Path

from components import registry, storage
from components.contracts import Manifest
from components.errors import NO_ROOM, DataError, SettingsError, as_user_error, naming_place
from components.storage import bucket, disk

_STANDS_FOR_A_BUCKET = re.compile(r"\w+://(<[^/]*>)")  # no bucket can have such a name
_MARK = ".agrivision"  # an object that is written to see whether a bucket can be; listings leave it out
_PROBE_BYTES = 1 << 16


def check_places(source_uri: str, data_root: str, models_uri: str) -> None:
    """Refuses places that no run could use; messages use the pipeline's parameter names.

    Raises:
      SettingsError: if a place is empty, still has the run form's placeholder for a bucket, or is to be written to and
        is on s3:// or inside the source, which would then have other files in each run.
    """
    for name, uri in (("source_uri", source_uri), ("data_root", data_root), ("models_uri", models_uri)):
        if not uri.strip():
            raise SettingsError(f"{name} must not be empty")
        if match := _STANDS_FOR_A_BUCKET.match(uri):
            raise SettingsError(f"{name} is still {uri!r}; replace {match[1]} with the name of your bucket")
        if name == "source_uri":
            continue
        if uri.startswith("s3://"):
            raise SettingsError(f"{name} must be a folder or a gs:// URI, got {uri!r}; s3:// is for source_uri only")
        if _is_inside(uri, source_uri):
            raise SettingsError(
                f"{name} must be outside the source, got {uri!r} inside {source_uri!r}; choose another place for it"
            )


def require_data_root(data_root: str) -> None:
    """Refuses a folder that is not there, for a command that reads it: a mistyped one would look like an empty one.

    Args:
      data_root: A folder, a gs:// URI, or nothing.

    Raises:
      SettingsError: if it is a folder that is not there.
    """
    if data_root and not storage.is_remote(data_root) and not os.path.isdir(data_root):
        raise SettingsError(f"no folder {data_root!r}; expected the data_root of a pipeline that has run")


def check_access(data_root: str, models_uri: str, reference_manifest: str) -> None:
    """Refuses places that cannot be read or written, which a run would otherwise notice at its end.

    Args:
      reference_manifest: Manifest of an earlier dataset; empty for none.

    Raises:
      SettingsError: if a place cannot be written to.
      DataError: if it is full, or what is there already cannot be read.
      UnreachableError: if a bucket does not answer.
    """
    for name, uri in (("data_root", data_root), ("models_uri", models_uri)):
        if storage.is_remote(uri):
            mark = storage.join(uri, _MARK)
            storage.write_once(mark, b"")
            with contextlib.suppress(DataError):  # whoever may write need not have the right to delete
                bucket.delete(mark)
        else:
            require_writable(name, Path(uri))
    registry.read_production(models_uri)
    if reference_manifest:
        try:
            Manifest.from_json(storage.read_bytes(reference_manifest), reference_manifest)
        except OSError as error:
            reason = error.strerror or "no such object"
            raise SettingsError(
                f"shard_reference_manifest {reference_manifest!r} cannot be read: {reason}; "
                "expected <data_root>/datasets/<id>/manifest.json"
            ) from error


def require_writable(name: str, folder: Path, *, make: bool = True) -> None:
    """Refuses a folder where nothing can be written, or locked.

    Args:
      name: What names the folder, e.g. a parameter.
      make: Whether it will be made if there is none; then it must be possible to make it.

    Raises:
      SettingsError: if nobody, or not this user, can write there.
      DataError: if it is full, or has no locks.
    """
    try:
        there = folder.absolute()
        while make and not os.path.lexists(there):
            there = there.parent
        with tempfile.NamedTemporaryFile(prefix=".agrivision-", dir=there) as file:
            with naming_place(file.name):
                file.write(bytes(_PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
            disk.take_lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in NO_ROOM and isinstance(mendable := as_user_error(error), DataError):
            raise DataError(f"{name}: {mendable}") from error
        raise SettingsError(
            f"{name} is {os.fspath(folder)!r}, where nothing can be written: {error.strerror}; "
            "make it writable, or choose another place"
        ) from error


def _is_inside(uri: str, source_uri: str) -> bool:
    """Tells whether listing the source would list what is written to `uri`; hidden folders are not listed."""
    if storage.is_remote(uri) != storage.is_remote(source_uri):
        return False
    inner, outer = (
        place.rstrip("/") if storage.is_remote(place) else os.path.realpath(place) for place in (uri, source_uri)
    )
    return f"{inner}/".startswith(f"{outer.rstrip('/')}/") and "/." not in inner[len(outer.rstrip("/")) :]
