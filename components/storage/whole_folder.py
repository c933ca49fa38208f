"""Publishes and removes folders that exist whole or not at all, such as a version of a model."""

import os
import shutil
import tempfile
from pathlib import Path

from components import storage
from components.errors import naming_place
from components.storage import bucket, disk


def publish(local: Path, uri: str, last: str, *, move: bool = False) -> bool:
    """Publishes a finished local folder under a content version; returns False if it already exists.

    Locally the folder appears by one rename. On a bucket the file `last` is written after all others and with a
    precondition: a version without it does not exist, and readers look for it first.

    Args:
      move: Renames `local` itself, which must be beside a local `uri`; it may be gone afterwards.
    """
    if storage.exists(storage.join(uri, last)):
        return False
    if storage.is_remote(uri):
        for path in sorted(path for path in local.rglob("*") if path.is_file() and path != local / last):
            bucket.upload(path, storage.join(uri, path.relative_to(local).as_posix()), once=False)
        return storage.write_once(storage.join(uri, last), (local / last).read_bytes())
    target = Path(uri)
    disk.make_folder(target.parent)
    staging = local if move else Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
    try:
        if not move:
            with naming_place(target):
                _copy(local, staging)
        os.chmod(staging, 0o755)
        for path in (*staging.rglob("*"), staging):
            disk.sync(path)
        with disk.lock(uri):
            if storage.exists(storage.join(uri, last)):
                return False
            disk.rename_over_remains(staging, target)
        return True
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _copy(folder: Path, target: Path) -> None:
    # Not with shutil.copytree, whose error hides that the disk is full.
    for path in sorted(folder.rglob("*")):
        copied = target / path.relative_to(folder)
        if path.is_dir():
            copied.mkdir()
        else:
            shutil.copyfile(path, copied)


def remove(uri: str, last: str) -> None:
    """Removes a folder of publish, or a link to one; `last` goes first, so no reader sees an incomplete folder."""
    if storage.is_remote(uri):
        for path in sorted((file.path for file in storage.list_files(uri)), key=lambda path: path != last):
            bucket.delete(storage.join(uri, path))
        return
    with disk.lock(uri):
        if Path(uri).is_symlink():  # what it leads to is not ours
            Path(uri).unlink()
            disk.sync(Path(uri).parent)
            return
        if Path(uri, last).is_file():
            Path(uri, last).unlink()
            disk.sync(Path(uri))  # or a power failure could bring it back, and not the others
        shutil.rmtree(uri, ignore_errors=True)
