"""The tiles of a source that has one folder of images per class."""

import collections
from collections.abc import Iterator, Mapping

from components.agrivision import parse_tile_id
from components.contracts import Rejection, SourceFile, SourceTile
from components.ingest.layouts import SPLIT_FOLDERS, FolderCount, class_of, has_split_folders, require_classes
from components.ingest.listing import Group
from components.ingest.pairing import UNDECIDED, Paired


class ClassFolderPairing:
    """Turns each image of `[<split>/]<class>/` into a tile of one class; see pairing.Pairing.

    Classes are sorted by name, unless the user gives `classes`; images of other classes are then set aside. A tile is
    named after its file, with folders in front if the name is not unique. Images named like an Agriculture-Vision tile
    belong to the field in that name; any other image is its own field. Images in a test folder but in none of its class
    folders are unlabelled.

    Raises:
      SettingsError: if `classes` names a class that has no image.
    """

    def __init__(self, folders: Mapping[str, FolderCount], classes: tuple[str, ...] = (), source_uri: str = "") -> None:
        counts = {folder: count.num_images for folder, count in folders.items() if count.num_images}
        self._has_splits = has_split_folders(counts)
        self._class_of = {folder: class_of(folder, self._has_splits) for folder in counts}
        found: collections.Counter[str] = collections.Counter()
        self.num_unlabelled = 0
        for folder, class_name in self._class_of.items():
            if class_name is not None:
                found[class_name] += counts[folder]
            elif self._is_unlabelled(folder):
                self.num_unlabelled += counts[folder]
        require_classes(classes, found, source_uri)
        self.classes = classes or tuple(sorted(found))
        self.left_aside: Mapping[str, int] = {
            name: count for name, count in sorted(found.items()) if name not in self.classes
        }

    def _is_unlabelled(self, folder: str) -> bool:
        return self._has_splits and SPLIT_FOLDERS.get(folder.lower()) == "test"

    def pair(self, group: Group) -> Iterator[Paired]:
        """Yields the tiles of one name, and a rejection for each image outside a class folder."""
        placed: list[tuple[SourceFile, str]] = []
        for folder, _, file in group.files:
            if (class_name := self._class_of[folder]) is not None:
                if not self.left_aside or class_name in self.classes:
                    placed.append((file, class_name))
            elif not self._is_unlabelled(folder):
                expected = "<split>/<class>/<image>" if self._has_splits else "<class>/<image>"
                yield Rejection(file.path, f"in no class folder, expected {expected}")
        # All files that could share a name are in this group.
        uses = collections.Counter(name for file, _ in placed for name in set(_names(file)))
        for file, class_name in placed:
            yield SourceTile(
                tile_id=next((name for name in _names(file) if uses[name] == 1), file.path),
                field_id=_field_id(file),
                split=SPLIT_FOLDERS[file.path.partition("/")[0].lower()] if self._has_splits else UNDECIDED,
                shard=0,
                rgb=file,
                classes=(class_name,),
            )


def _path_stem(file: SourceFile) -> str:
    return file.path.rpartition(".")[0]


def _names(file: SourceFile) -> list[str]:
    """Returns the possible names of the tile, shortest first; only the last, the path, is sure to be unique."""
    parts = _path_stem(file).split("/")
    return ["/".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)] + [file.path]


def _field_id(file: SourceFile) -> str:
    try:
        return parse_tile_id(_path_stem(file).rpartition("/")[2]).field_id
    except ValueError:
        return _path_stem(file)
