"""Keeps the files of a source in a temporary database on disk, and reads them back grouped by tile."""

import dataclasses
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from components.contracts import Annotation, SourceFile, WhyIgnored
from components.errors import DataError
from components.ignored import IgnoredTally, LeftOut
from components.ingest.layouts import FolderCount, has_split_folders
from components.ingest.official_split import is_split_file
from components.progress import Progress
from components.records.source_formats import IMAGE_SUFFIXES, MASK_SUFFIXES, TIFF_SUFFIXES

MOST_FOLDERS = 250_000  # held in memory; a release has a few dozen

Found: TypeAlias = tuple[str, str, SourceFile]  # an image's folder, its name without the suffix, and the file
Other: TypeAlias = tuple[str, str, WhyIgnored]  # the folder of what is no image, its path, and what it is

_SUFFIXES = tuple(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES)
# Suffixes of what people keep beside images. Nobody takes such a file for an image, so a folder of them is no class.
_DOCUMENTS = frozenset(
    {
        *("csv", "html", "ipynb", "json", "jsonl", "log", "md", "pdf", "rst", "tsv", "txt", "xlsx", "xml"),
        *("cfg", "ini", "py", "sh", "toml", "yaml", "yml"),
        *("aux", "cpg", "dbf", "geojson", "jgw", "ovr", "pgw", "prj", "qgz", "shp", "shx", "tab", "tfw", "wld", "xmp"),
    }
)
_DOCUMENT_NAMES = frozenset({"authors", "changelog", "copying", "license", "makefile", "notice", "readme"})
# Stand in the column of the size if the file is no image; the first is WhyIgnored of the number -1.
_NOT_IMAGES = (WhyIgnored.NOT_READ, WhyIgnored.DOCUMENT, WhyIgnored.LINK_TO_NOTHING, WhyIgnored.SPECIAL)
_MASKS = tuple(suffix.removeprefix(".") for suffix in MASK_SUFFIXES)
_TIFFS = tuple(suffix.removeprefix(".") for suffix in TIFF_SUFFIXES)
# Stand in the column of the folder's number if the row is not a file but a statement about a tile or a field.
_SPLIT, _ANNOTATIONS = -1, -2
_INNER = frozenset(_SUFFIXES) | _DOCUMENTS
_INSERT = "INSERT INTO entries VALUES (?, ?, ?, ?, ?)"


class Group(NamedTuple):
    """Everything known under one name.

    Attributes:
      key: The images' name without suffixes; for a field, its name and "_".
      files: The images, sorted by path.
      splits: What the split files state: a split and the file that states it, in reading order.
      annotated: The tile's labels by the source's statistics; None if they do not list it.
      others: What is no image but called like these, sorted by path.
    """

    key: str
    files: list[Found]
    splits: list[tuple[str, str]]
    annotated: dict[str, Annotation] | None
    others: Sequence[Other] = ()


@dataclasses.dataclass
class Listing:
    """The files and statements that were added.

    Attributes:
      folders: File counts by folder.
      split_files: Files that may state the official split.
      num_images: Number of images in all folders.
      num_files: Number of files, without what is left out whatever the layout: that is in `ignored`.
      empty_folders: Folders that hold nothing, or are said to.
      has_splits: Whether the split files state any split.
    """

    _database: sqlite3.Connection
    folders: dict[str, FolderCount] = dataclasses.field(default_factory=dict)
    split_files: list[SourceFile] = dataclasses.field(default_factory=list)
    num_images: int = 0
    num_files: int = 0
    ignored: IgnoredTally = dataclasses.field(default_factory=IgnoredTally)
    empty_folders: set[str] = dataclasses.field(default_factory=set)
    has_splits: bool = False
    _num_statements: int = 0

    def __post_init__(self) -> None:
        self._database.execute(
            "CREATE TABLE entries (key TEXT, folder INTEGER, rest TEXT, num_bytes INTEGER, version TEXT)"
        )

    def add(self, files: Iterable[SourceFile | LeftOut], source_uri: str, progress: Progress) -> None:
        """Adds what a source holds, in any order.

        Raises:
          DataError: if it is in more folders than any layout has.
        """
        self._database.executemany(_INSERT, self._rows(files, source_uri, progress))
        self.num_images = sum(count.num_images for count in self.folders.values())
        self.num_files = sum(count.num_files for count in self.folders.values())

    def _rows(
        self, files: Iterable[SourceFile | LeftOut], source_uri: str, progress: Progress
    ) -> Iterator[tuple[object, ...]]:
        for file in files:
            if isinstance(file, LeftOut) and file.reason not in _NOT_IMAGES:
                self._leave(file)
                continue
            progress.advance()
            folder, _, name = file.path.rpartition("/")
            count = self._count_of(folder, source_uri)
            count.num_files += 1
            key, dot, suffix = name.rpartition(".")
            suffix = suffix.lower()
            if isinstance(file, SourceFile) and dot and suffix in _SUFFIXES:
                count.num_images += 1
                count.num_tiffs += suffix in _TIFFS
                count.num_masks += suffix in _MASKS
                # "a.jpg.png" is called "a.jpg", and "a.jpg" is called "a" or "a.jpg": both get the key "a".
                while (inner := key.rpartition("."))[1] and inner[2].lower() in _SUFFIXES:
                    key = inner[0]
                yield key, count.number, name[len(key) :], file.num_bytes, file.version
                continue
            if isinstance(file, LeftOut):
                reason = file.reason
            else:
                is_document = suffix in _DOCUMENTS if dot else name.lower() in _DOCUMENT_NAMES
                reason = WhyIgnored.DOCUMENT if is_document else WhyIgnored.NOT_READ
                if is_split_file(file.path):
                    self.split_files.append(file)
            if reason is not WhyIgnored.DOCUMENT and not (count.lost_name and count.lost_name < name):
                count.lost_name = name
            count.num_lost += reason is not WhyIgnored.DOCUMENT
            count.num_links += reason is WhyIgnored.LINK_TO_NOTHING
            key = _key_of_other(name)
            yield key, count.number, name[len(key) :], -1 - _NOT_IMAGES.index(reason), ""

    def _count_of(self, folder: str, source_uri: str) -> FolderCount:
        count = self.folders.get(folder)
        if count is None:
            if len(self.folders) == MOST_FOLDERS:
                raise DataError(
                    f"more than {MOST_FOLDERS:,} folders under {source_uri!r}, e.g. {folder!r}; "
                    "source_uri must be the folder of one release"
                )
            count = self.folders[folder] = FolderCount(len(self.folders))
        return count

    @property
    def has_split_folders(self) -> bool:
        """Whether class folders are in split folders; see layouts.has_split_folders."""
        return has_split_folders([folder for folder, count in self.folders.items() if count.num_images])

    def _leave(self, found: LeftOut) -> None:
        if found.reason is not WhyIgnored.EMPTY_FOLDER:
            self.ignored.add(found.reason, "", "", found.path)
        elif len(self.empty_folders) < MOST_FOLDERS:
            self.empty_folders.add(found.path)

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
        starts = [f"{folder}/" if folder else "" for folder in self.folders]
        folders = list(self.folders)
        current: str | None = None
        files: list[Found] = []
        others: list[Other] = []
        statements: list[tuple[int, int, str | bytes, str]] = []
        rows = self._database.execute("SELECT key, folder, rest, num_bytes, version FROM entries ORDER BY key")
        for key, folder, rest, num_bytes, version in rows:
            if key != current:
                if current is not None:
                    yield _group(current, files, statements, others)
                current, files, statements, others = key, [], [], []
            if folder < 0:
                statements.append((num_bytes, folder, rest, version))
            elif num_bytes < 0:
                others.append((folders[folder], starts[folder] + key + rest, _NOT_IMAGES[-1 - num_bytes]))
            else:
                stem = key + rest[: rest.rindex(".")]
                files.append((folders[folder], stem, SourceFile(starts[folder] + key + rest, num_bytes, version)))
        if current is not None:
            yield _group(current, files, statements, others)


def _key_of_other(name: str) -> str:
    """Returns the name of the image that a file without pixels may belong to: "a" for "a.xml" and "a.jpg.aux.xml"."""
    key = name.rpartition(".")[0] or name
    while (inner := key.rpartition("."))[1] and inner[0] and inner[2].lower() in _INNER:
        key = inner[0]
    return key


def _group(
    key: str, files: list[Found], statements: list[tuple[int, int, str | bytes, str]], others: list[Other]
) -> Group:
    files.sort(key=_path)
    others.sort(key=lambda other: other[1])
    if not statements:
        return Group(key, files, [], None, others)
    statements.sort(key=lambda statement: statement[0])
    splits = [(str(said), path) for _, kind, said, path in statements if kind == _SPLIT]
    annotations = [said for _, kind, said, _ in statements if kind == _ANNOTATIONS]
    # If two files list the same tile, the last one counts.
    annotated = msgspec.json.decode(annotations[-1], type=dict[str, Annotation]) if annotations else None
    return Group(key, files, splits, annotated, others)


def _path(found: Found) -> str:
    return found[2].path
