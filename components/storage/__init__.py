"""Reading and writing where the data is: a local folder or a `gs://` bucket; and reading from `s3://`.

Nothing written here is ever half visible. A local file is written under a temporary name, synced
and renamed, and its folder synced; an object on a bucket appears whole or not at all. What must
exist once is written with a precondition, and a pointer moves by compare-and-swap.
"""

import contextlib
import itertools
import os
import shutil
import tempfile
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from components.contracts import SourceFile
from components.errors import DataError, SettingsError
from components.ignored import LeftOut
from components.safe_path import path_fault, shown
from components.storage import bucket, disk, disk_listing, s3
from components.storage.disk_listing import NoSuchFolder as NoSuchFolder


class Conflict(Exception):
    """Somebody else wrote first: the object exists already, or the pointer has moved."""


def join(root: str, *parts: str) -> str:
    """Returns `root` with `parts` below it, for a local folder or a URI.

    Raises:
      DataError: if a part would lead out of `root`, or is no path.
      SettingsError: if `root` is a URI without a bucket, which would become the name of a folder.
    """
    if root.rstrip("/") in ("gs:", "s3:"):
        raise SettingsError(f"no bucket in {root!r}; expected {bucket.GS}<bucket>/<folder>")
    for part in parts:
        if fault := path_fault(part):
            raise DataError(f"{shown(part)} is not a path below {root!r}: it {fault}")
    return "/".join([root.rstrip("/"), *parts]) or "/"


def plain_place(uri: str) -> str:
    """Returns a place as this project names it, which is the path that a file:// URI stands for.

    Raises:
      SettingsError: for a file:// URI of another machine.
    """
    if not uri.startswith("file:"):
        return uri
    host, slash, path = uri.removeprefix("file:").removeprefix("//").partition("/")
    if host not in ("", "localhost") or not slash:
        raise SettingsError(f"cannot read or write {uri!r}; expected file:///<path>, with three slashes, or a folder")
    return urllib.parse.unquote(f"/{path}")


def is_remote(uri: str) -> bool:
    """Tells a bucket from a local folder.

    Raises:
      SettingsError: for a scheme that is neither.
    """
    if uri.startswith((bucket.GS, s3.S3)):
        return True
    if "://" in uri:
        raise SettingsError(
            f"cannot read or write {uri!r}; expected a folder or {bucket.GS}<bucket>/<folder>, or {s3.S3} for a source"
        )
    return False


def list_files(root: str, say: Callable[[str], None] | None = None) -> Iterator[SourceFile]:
    """Yields every file under `root`, with paths relative to it, in no particular order.

    What list_source leaves out is left out here as well, without a word.

    Args:
      say: Called with a line if links are left out because they lead to what is listed anyway.

    Raises:
      DataError: as list_source does.
    """
    return (found for found in list_source(root, say) if isinstance(found, SourceFile))


def list_source(root: str, say: Callable[[str], None] | None = None) -> Iterator[SourceFile | LeftOut]:
    """Yields every file under `root`, and whatever else is there with the reason why it is no file to read.

    Hidden files and folders are left out, and the litter of operating systems; so are links to nothing, FIFOs and the
    like. A folder that is left out is one entry, whatever it holds; so is a folder that holds nothing. A bucket is
    listed in pages. In a folder, links are followed, but not out of `root` unless AGRIVISION_FOLLOW_LINKS allows it,
    and each folder is listed once however many links lead to it.

    Args:
      say: Called with a line if links are left out because they lead to what is listed anyway.

    Raises:
      DataError: if there is no such folder or bucket, a part of it cannot be read, a link leads out of it or to itself,
        or a name could lead out of the folder that it is later joined to.
    """
    if is_remote(root):
        yield from (s3 if root.startswith(s3.S3) else bucket).list_objects(root)
        return
    yield from disk_listing.list_folder(root, say)


def list_md5(root: str) -> Iterator[tuple[str, bytes]]:
    """Yields the path below `root` and the md5 of every object of which the bucket's listing has it; none elsewhere."""
    return bucket.list_md5(root) if root.startswith(bucket.GS) else iter(())


def read_bytes(uri: str) -> bytes:
    """Returns the whole content.

    Raises:
      FileNotFoundError: if there is no such file or object.
    """
    if not is_remote(uri):
        return disk.read_bytes(uri)
    return s3.read(uri) if uri.startswith(s3.S3) else bucket.read(uri)


def read_range(uri: str, offset: int, length: int) -> bytes:
    """Returns `length` bytes from `offset` on; fewer if the file or object ends before.

    Raises:
      FileNotFoundError: if there is no such file or object.
    """
    if is_remote(uri):
        read = s3.read if uri.startswith(s3.S3) else bucket.read
        return read(uri, offset, offset + length) if length else b""
    # Not by a file object, whose buffer costs more than reading a whole record.
    return read_parts(uri, offset, [length])[0]


def read_parts(uri: str, offset: int, lengths: Sequence[int]) -> list[bytes]:
    """Returns what follows each other from `offset` on, each part by itself and never copied out of a larger one.

    Raises:
      FileNotFoundError: if there is no such file or object.
    """
    if is_remote(uri):
        whole = read_range(uri, offset, sum(lengths))
        ends = list(itertools.accumulate(lengths, initial=0))
        return [whole[start:end] for start, end in itertools.pairwise(ends)]
    return disk.read_parts(uri, offset, lengths)


@contextlib.contextmanager
def local_copy(uri: str) -> Iterator[Path]:
    """Yields a local file with the content, which lasts as long as the context; a local file is used as it is.

    Raises:
      FileNotFoundError: if there is no such file or object.
      DataError: if it is a pipe or a device.
    """
    if not is_remote(uri):
        disk.require_file(uri)
        yield Path(uri)
        return
    with tempfile.TemporaryDirectory() as folder:
        local = disk.place_below(Path(folder), uri.rpartition("/")[2])
        local.write_bytes(read_bytes(uri))
        yield local


def exists(uri: str) -> bool:
    """Tells whether there is a file or object of exactly this name (not a folder)."""
    return size(uri) is not None


def size(uri: str) -> int | None:
    """Returns the size in bytes, or None if there is no such file or object."""
    if is_remote(uri):
        return s3.size(uri) if uri.startswith(s3.S3) else bucket.size(uri)
    return os.stat(uri).st_size if os.path.isfile(uri) else None


def delete_it(root: str, uri: str) -> str:
    """Returns the advice to delete a damaged file; for one that a link puts outside `root`, other advice."""
    if is_remote(uri) or (real := Path(uri).resolve()).is_relative_to(Path(root).resolve()):
        return "delete it"
    return f"a link puts it outside {root!r}, at {str(real)!r}: restore it there or remove the link,"


def write_bytes(uri: str, content: bytes) -> None:
    """Writes or replaces, whole or not at all."""
    if is_remote(uri):
        bucket.write(uri, content)
        return
    with disk.temporary_file(uri) as temporary:
        temporary.write_bytes(content)


def write_once(uri: str, content: bytes) -> bool:
    """Writes unless it exists; returns whether this call was the one that wrote."""
    try:
        compare_and_swap(uri, None, content)
    except Conflict:
        return False
    return True


def upload_once(local: Path, uri: str) -> None:
    """Moves a finished local file to `uri`, where a name stands for one content, unless it is there already.

    Two that upload at once write the same, so it does not matter whose file stays. `local` may be gone afterwards.
    """
    if is_remote(uri):
        bucket.upload(local, uri, once=True)
    elif not os.path.isfile(uri):
        with disk.temporary_file(uri) as temporary:
            shutil.move(local, temporary)  # a rename, or a copy from another file system


def replace_file(local: Path, uri: str) -> None:
    """Moves a finished local file to `uri`, whole or not at all, in place of what is there.

    `local` may be gone afterwards.
    """
    if is_remote(uri):
        bucket.upload(local, uri, once=False)
        return
    with disk.temporary_file(uri) as temporary:
        shutil.move(local, temporary)  # a rename, or a copy from another file system


def read_pointer(uri: str) -> tuple[bytes | None, str | None]:
    """Returns a pointer's content and the token that compare_and_swap takes; (None, None) if it does not exist."""
    if is_remote(uri):
        found = bucket.read_with_generation(uri)
        return (None, None) if found is None else (found[0], str(found[1]))
    try:
        content = disk.read_bytes(uri)
    except FileNotFoundError:
        return None, None
    return content, content.decode("latin-1")


def compare_and_swap(uri: str, token: str | None, content: bytes) -> None:
    """Writes `content` if the pointer is still what `token` stands for; None stands for "does not exist".

    Raises:
      Conflict: if it is not.
    """
    if is_remote(uri):
        if not bucket.write_if(uri, content, int(token or 0)):
            raise Conflict(uri)
        return
    with disk.lock(uri):  # closes the gap between looking and renaming
        if read_pointer(uri)[1] != token:
            raise Conflict(uri)
        with disk.temporary_file(uri) as temporary:
            temporary.write_bytes(content)
