"""Keeps the files of a source in a temporary database on disk, and reads them back grouped by tile."""

import dataclasses
import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

import msgspec

from components.contracts import Annotation, SourceFile
from components.errors import DataError
from components.ingest.layouts import FolderCount
from components.ingest.official_split import is_split_file
from components.progress import Progress
from components.records.source_formats import IMAGE_SUFFIXES, MASK_SUFFIXES, TIFF_SUFFIXES

MOST_FOLDERS = 250_000  # held in memory; a release has a few dozen

Found: TypeAlias = tuple[str, str, SourceFile]  # an image's folder, its name without the suffix, and the file

_SUFFIXES = tuple(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES)
_MASKS = tuple(suffix.removeprefix(".") for suffix in MASK_SUFFIXES)
_TIFFS = tuple(suffix.removeprefix(".") for suffix in TIFF_SUFFIXES)
# Stand in the column of the folder's number if the row is not a file but a statement about a tile or a field.
_SPLIT, _ANNOTATIONS = -1, -2
_INSERT = "INSERT INTO entries VALUES (?, ?, ?, ?, ?)"


class Group(NamedTuple):
    """Everything known under one name.

    Attributes:
      key: The images' name without suffixes; for a field, its name and "_".
      files: The images, sorted by path.
      splits: What the split files state: a split and the file that states it, in reading order.
      annotated: The tile's labels by the source's statistics; None if they do not list it.
    """

    key: str
    files: list[Found]
    splits: list[tuple[str, str]]
    annotated: dict[str, Annotation] | None


@dataclasses.dataclass
class Listing:
    """The files and statements that were added.

    Attributes:
      folders: File counts by folder.
      split_files: Files that may state the official split.
      num_images: Number of images in all folders.
      has_splits: Whether the split files state any split.
    """

    _database: sqlite3.Connection
    folders: dict[str, FolderCount] = dataclasses.field(default_factory=dict)
    split_files: list[SourceFile] = dataclasses.field(default_factory=list)
    num_images: int = 0
    has_splits: bool = False
    _num_statements: int = 0

    def __post_init__(self) -> None:
        self._database.execute(
            "CREATE TABLE entries (key TEXT, folder INTEGER, rest TEXT, num_bytes INTEGER, version TEXT)"
        )

    def add(self, files: Iterable[SourceFile], source_uri: str, progress: Progress) -> None:
        """Adds files in any order; keeps images and split files, and only counts the others.

        Raises:
          DataError: if they are in more folders than any layout has.
        """
        self._database.executemany(_INSERT, self._image_rows(files, source_uri, progress))
        self.num_images = sum(count.num_images for count in self.folders.values())

    def _image_rows(
        self, files: Iterable[SourceFile], source_uri: str, progress: Progress
    ) -> Iterator[tuple[object, ...]]:
        folders = self.folders
        for file in files:
            progress.advance()
            folder, _, name = file.path.rpartition("/")
            count = folders.get(folder)
            if count is None:
                if len(folders) == MOST_FOLDERS:
                    raise DataError(
                        f"more than {MOST_FOLDERS:,} folders under {source_uri!r}, e.g. {folder!r}; "
                        "source_uri must be the folder of one release"
                    )
                count = folders[folder] = FolderCount(len(folders))
            count.num_files += 1
            key, dot, suffix = name.rpartition(".")
            suffix = suffix.lower()
            if not dot or suffix not in _SUFFIXES:
                if is_split_file(file.path):
                    self.split_files.append(file)
                continue
            count.num_images += 1
            count.num_tiffs += suffix in _TIFFS
            count.num_masks += suffix in _MASKS
            # "a.jpg.png" is called "a.jpg", and "a.jpg" is called "a" or "a.jpg": both get the key "a".
            while (inner := key.rpartition("."))[1] and inner[2].lower() in _SUFFIXES:
                key = inner[0]
            yield key, count.number, name[len(key) :], file.num_bytes, file.version

    def state_splits(self, splits: Iterable[tuple[str, str]], path: str) -> None:
        """Records what a split file states: tile or field names, each with its split."""
        # Only a tile's name has a "_". "A_" sorts directly before the tiles of the field A.
        named = ((name if "_" in name else f"{name}_", split) for name, split in splits)
        before = self._num_statements
        rows = ((key, _SPLIT, split, self._next_number(), path) for key, split in named)
        self._database.executemany(_INSERT, rows)
        self.has_splits = self.has_splits or self._num_statements > before

    def state_annotations(self, annotations: Iterable[tuple[str, dict[str, Annotation]]]) -> None:
        """Records what a statistics file states about tiles."""
        encode = msgspec.json.encode
        rows = ((name, _ANNOTATIONS, encode(stated), self._next_number(), "") for name, stated in annotations)
        self._database.executemany(_INSERT, rows)

    def _next_number(self) -> int:
        self._num_statements += 1
        return self._num_statements

    def groups(self) -> Iterator[Group]:
        """Yields the files and statements of each name, in the order of names.

        The tiles of a field, `<field_id>_<window>`, are consecutive because their names start alike.
        """
        names = [f"{folder}/" if folder else "" for folder in self.folders]
        folders = list(self.folders)
        current: str | None = None
        files: list[Found] = []
        statements: list[tuple[int, int, str | bytes, str]] = []
        rows = self._database.execute("SELECT key, folder, rest, num_bytes, version FROM entries ORDER BY key")
        for key, folder, rest, num_bytes, version in rows:
            if key != current:
                if current is not None:
                    yield _group(current, files, statements)
                current, files, statements = key, [], []
            if folder >= 0:
                stem = key + rest[: rest.rindex(".")]
                files.append((folders[folder], stem, SourceFile(names[folder] + key + rest, num_bytes, version)))
            else:
                statements.append((num_bytes, folder, rest, version))
        if current is not None:
            yield _group(current, files, statements)


def _group(key: str, files: list[Found], statements: list[tuple[int, int, str | bytes, str]]) -> Group:
    files.sort(key=_path)
    if not statements:
        return Group(key, files, [], None)
    statements.sort(key=lambda statement: statement[0])
    splits = [(str(said), path) for _, kind, said, path in statements if kind == _SPLIT]
    annotations = [said for _, kind, said, _ in statements if kind == _ANNOTATIONS]
    # If two files list the same tile, the last one counts.
    annotated = msgspec.json.decode(annotations[-1], type=dict[str, Annotation]) if annotations else None
    return Group(key, files, splits, annotated)


def _path(found: Found) -> str:
    return found[2].path
