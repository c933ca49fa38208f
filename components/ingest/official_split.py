"""The official split of the paper release, from the JSON files beside its tiles.

Two files of a year give it: `data<year>_splits.json` lists the field ids of each split, and
`field_stats.json` the tiles of each split, by the path of their boundary, with their label counts.
Copies in other forms are about, so both files are read by what they hold and not by their names:
split to names, name to split, or name to an object with a "split"; a name is a tile or a field.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from components import storage
from components.contracts import SourceFile
from components.errors import DataError
from components.ingest.layouts import SPLIT_FOLDERS

_FILE_SUFFIXES = ("field_stats.json", "splits.json", "split.json")


def is_split_file(path: str) -> bool:
    return path.lower().endswith(_FILE_SUFFIXES)


def read_official_split(source_uri: str, files: list[SourceFile]) -> dict[str, str]:
    """Returns the split by tile or field name, merged over all files; empty if they give none.

    Raises:
      DataError: if a file is damaged, or a name has two splits.
    """
    splits: dict[str, str] = {}
    for file in sorted(files, key=lambda file: file.path):
        for name, split in _entries(read_split_file(source_uri, file)):
            if splits.setdefault(name, split) != split:
                raise DataError(
                    f"{name!r} is in {splits[name]} and {split} by the split files under {source_uri!r} "
                    f"(one is {file.path!r}); it must be in one split"
                )
    return splits


def read_split_file(source_uri: str, file: SourceFile) -> Any:
    """Returns what a JSON file holds.

    Raises:
      DataError: if it is damaged.
    """
    try:
        return msgspec.json.decode(storage.read_bytes(storage.join(source_uri, file.path)))
    except msgspec.DecodeError as error:
        raise DataError(f"{file.path!r} under {source_uri!r} is not JSON: {error}") from error


def _entries(content: Any) -> Iterator[tuple[str, str]]:
    """Yields (tile or field name, split)."""
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if (split := SPLIT_FOLDERS.get(key.lower())) is not None:
            if isinstance(value, dict | list):
                yield from ((name_of(name), split) for name in value if isinstance(name, str))
        else:
            named = value.get("split") if isinstance(value, dict) else value
            if isinstance(named, str) and named.lower() in SPLIT_FOLDERS:
                yield name_of(key), SPLIT_FOLDERS[named.lower()]


def name_of(name: str) -> str:
    """Returns `FIELD_0-0-512-512` for `field_bounds/FIELD_0-0-512-512.png`."""
    name = name.rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and f".{suffix.lower()}" in (".png", ".jpg", ".jpeg") else name
