"""Copies a source from any storage to a folder or `gs://`, where it can be read at all, or read faster."""

import concurrent.futures
import contextlib
import itertools
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from components import storage
from components.contracts import IgnoredFiles, SourceFile, WhyIgnored
from components.errors import DataError, SettingsError, naming_place
from components.ignored import IgnoredTally, by_reason
from components.progress import StepLog
from components.storage import disk

_THREADS = 16
_PART_BYTES = 8 << 20  # of a file in memory, for each thread
_BATCH = 4096  # file names held in memory at a time


def mirror(source_uri: str, target_uri: str, log: StepLog) -> str:
    """Copies the files that are missing under `target_uri` or have another size there; deletes nothing.

    Whatever is there and is not copied is counted, as ingest counts it.

    Returns:
      A summary in one line.

    Raises:
      DataError: if there is no file, or one changes or disappears during the copy, or would end outside `target_uri`;
        or, when all else is copied, if links lead to nothing: nobody could tell from the copy that files are missing.
      SettingsError: if the target lies inside the source, so that a second copy would copy the first.
    """
    _require_apart(source_uri, target_uri)
    num_files = num_copied = num_bytes = 0
    ignored = IgnoredTally()
    files = _files(source_uri, ignored, log)
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        while batch := list(itertools.islice(files, _BATCH)):
            for copied in pool.map(lambda file: _copy(source_uri, target_uri, file), batch):
                num_files += 1
                num_copied += copied is not None
                num_bytes += copied or 0
            log.line(f"{num_files:,} files")
    rows = ignored.rows()
    _require_whole_links(rows, source_uri, target_uri)
    if not num_files:
        raise DataError(f"no file under {source_uri!r}; expected the folder of a source")
    there = f"; {num_files - num_copied:,} already there" if num_copied < num_files else ""
    left = "".join(
        f"; not copied: {count:,} x {reason.text} (e.g. {names[0]})" for reason, count, names in by_reason(rows)
    )
    return f"copied {num_copied:,} files ({num_bytes / 1e6:.1f} MB) to {target_uri}{there}{left}"


def _files(source_uri: str, ignored: IgnoredTally, log: StepLog) -> Iterator[SourceFile]:
    for found in storage.list_source(source_uri, log.line):
        if isinstance(found, SourceFile):
            yield found
        elif found.reason.is_file:
            ignored.add(found.reason, "", "", found.path)


def _require_whole_links(rows: Sequence[IgnoredFiles], source_uri: str, target_uri: str) -> None:
    for row in rows:
        if row.reason is WhyIgnored.LINK_TO_NOTHING:
            names = ", ".join(map(repr, row.examples))
            raise DataError(
                f"{row.num_files:,} links under {source_uri!r} lead to nothing, e.g. {names}; the rest is copied to "
                f"{target_uri!r}, which lacks these files; fetch them (is the source a partial checkout of DVC or "
                "git-annex?) or remove the links, and run again"
            )


def _require_apart(source_uri: str, target_uri: str) -> None:
    if storage.is_remote(source_uri) != storage.is_remote(target_uri):
        return
    source, target = source_uri.rstrip("/"), target_uri.rstrip("/")
    if not storage.is_remote(source_uri):
        source, target = os.path.realpath(source_uri), os.path.realpath(target_uri)
    if target == source or target.startswith(f"{source}/"):
        raise SettingsError(f"the target {target_uri!r} is in the source {source_uri!r}; choose a folder outside it")


def _copy(source_uri: str, target_uri: str, file: SourceFile) -> int | None:
    """Returns the number of bytes copied; None if the file was already there."""
    target = storage.join(target_uri, file.path)
    if not storage.is_remote(target_uri):
        disk.place_below(Path(target_uri), file.path)
    if storage.size(target) == file.num_bytes:
        return None
    parts = _parts(storage.join(source_uri, file.path), file.num_bytes)
    try:
        if file.num_bytes < _PART_BYTES:
            storage.write_bytes(target, b"".join(parts))
        else:
            _copy_large(parts, target)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise DataError(
            f"{storage.join(source_uri, file.path)!r} cannot be copied to {target!r}: a bucket can hold a file and a "
            "folder of one name, and a disk cannot; rename one of them, or mirror to gs://"
        ) from error
    return file.num_bytes


def _parts(source: str, num_bytes: int) -> Iterator[bytes]:
    """Yields a file's content; a source may hold files that are larger than memory."""
    num_read, is_whole = 0, False
    try:
        while not is_whole and num_read <= num_bytes:
            wanted = min(_PART_BYTES, num_bytes + 1 - num_read)  # a byte more than was listed: it may have grown
            part = storage.read_range(source, num_read, wanted)
            num_read += len(part)
            is_whole = len(part) < wanted
            yield part
    except FileNotFoundError as error:
        raise DataError(f"{source!r} has disappeared since it was listed; run again") from error
    if num_read != num_bytes:
        more = " or more" if num_read > num_bytes else ""
        raise DataError(
            f"{source!r} has changed since it was listed: expected {num_bytes:,} bytes, got {num_read:,}{more}; "
            "run again"
        )


def _copy_large(parts: Iterator[bytes], target: str) -> None:
    with contextlib.ExitStack() as stack:
        if storage.is_remote(target):
            local = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "parts"
        else:
            local = stack.enter_context(disk.temporary_file(target))
        with naming_place(local), local.open("wb") as file:
            file.writelines(parts)
        if storage.is_remote(target):
            storage.replace_file(local, target)
