"""Where the record of a run lies, and how it is written: once, and once more if there was more to know.

Whoever knows first that a run has ended writes its record: the run's last step, the command that followed it, or
`agrivision collect`. Several may do so at once. A record that is complete is never changed; one that is not changes by
compare-and-swap, and only if something was learned, so that doing it again leaves the same bytes.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from components import storage
from components.contracts import RecordedOutcome, RunRecord
from components.errors import DataError

FOLDER = "runs"
_SUFFIX = ".json"
# What the steps' documents say exactly, and a log or a list of tasks in part.
_OF_DOCUMENTS = ("gate", "macro_f1", "macro_f1_interval", "manifest_sha256", "training_id", "model_version")
_MOST_TEXT = 2_000  # characters of a reason or a name
_MOST_BYTES = 1_000_000  # of one record; those of real runs have some 5 kB
_NOTHING: tuple[Any, ...] = (None, "", {}, RecordedOutcome.UNKNOWN)


def record_uri(data_root: str, run_id: str) -> str:
    """Returns where the record of a run lies.

    Raises:
      DataError: if the id is no name of a file.
    """
    return storage.join(data_root, FOLDER, f"{run_id}{_SUFFIX}")


def read_record(data_root: str, run_id: str) -> RunRecord | None:
    """Returns the record of a run; None if there is none.

    Raises:
      DataError: if it is damaged.
    """
    uri = record_uri(data_root, run_id)
    if (size := storage.size(uri)) is None:
        return None
    if size > _MOST_BYTES:
        raise DataError(f"{uri} has {size:,} bytes, and no record has more than {_MOST_BYTES:,}; {RunRecord.way_out}")
    try:
        return _parsed(storage.read_bytes(uri), uri, run_id)
    except FileNotFoundError:
        return None


def _parsed(content: bytes, uri: str, run_id: str) -> RunRecord:
    """Returns a record that lies under its own name: a copy under another one would be told of as a run of its own."""
    record = RunRecord.from_json(content, uri)
    if record.run_id != run_id:
        raise DataError(f"{uri} is the record of run {record.run_id!r}; give it that name, or remove it")
    return record


def recorded_runs(data_root: str) -> Iterator[str]:
    """Yields the ids of the runs that have a record, in no particular order."""
    try:
        for found in storage.list_files(storage.join(data_root, FOLDER)):
            if found.path.endswith(_SUFFIX) and "/" not in found.path:
                yield found.path.removesuffix(_SUFFIX)
    except storage.NoSuchFolder:
        return


def keep_record(data_root: str, record: RunRecord) -> RunRecord:
    """Writes a record, or adds what it says to the one that is there; returns what is there then.

    Raises:
      DataError: if the record says what no record can hold, or the one that is there is damaged.
    """
    uri = record_uri(data_root, record.run_id)
    while True:
        content, token = storage.read_pointer(uri)
        known = _parsed(content, uri, record.run_id) if content is not None else None
        if known and known.is_complete:
            return known
        wanted = _checked(_added(known, record) if known else record, uri)
        if wanted.to_json() == content:
            return wanted
        try:
            storage.compare_and_swap(uri, token, wanted.to_json())
        except storage.Conflict:
            continue  # somebody else was faster, and may have known more
        return wanted


def _added(known: RunRecord, record: RunRecord) -> RunRecord:
    """Returns what two records of one run say together."""
    said: dict[str, Any] = {}
    for name in RunRecord.__struct_fields__:
        first, second = getattr(record, name), getattr(known, name)
        if name in _OF_DOCUMENTS:
            first, second = second, first
        said[name] = second if any(first is each or first == each for each in _NOTHING) else first
    said["links"] = known.links | record.links
    return RunRecord(**said)


def _checked(record: RunRecord, uri: str) -> RunRecord:
    """Returns a record as it will be read; texts from outside are cut, and escaped where they are not UTF-8.

    Raises:
      DataError: if it could not be read.
    """
    texts = {name: short_text(getattr(record, name)) for name in ("name", "pipeline_version", "reason", "commit")}
    links = {short_text(name): short_text(link) for name, link in record.links.items()}
    record = msgspec.structs.replace(record, **texts, links=links)
    return RunRecord.from_json(record.to_json(), uri)


def short_text(text: str) -> str:
    """Returns a text that a record can hold."""
    text = text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1]}…"
    return text.encode(errors="backslashreplace").decode()
