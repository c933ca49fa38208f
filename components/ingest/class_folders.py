"""The tiles of a source that has one folder of images per class."""

import collections
from collections.abc import Iterator, Mapping

from components.agrivision import parse_tile_id
from components.contracts import Rejection, SourceFile, SourceTile, WhyIgnored
from components.ingest.layouts import SPLIT_FOLDERS, FolderCount, class_of, has_split_folders, require_classes
from components.ingest.listing import Group
from components.ingest.pairing import UNDECIDED, Paired
from components.ingest.refusals.account import ANY_CLASS, Account
from components.ingest.refusals.lost_classes import require_read_classes


class ClassFolderPairing:
    """Turns each image of `[<split>/]<class>/` into a tile of one class; see pairing.Pairing.

    Classes are sorted by name, unless the user gives `classes`; images of other classes are then set aside. A tile is
    named after its file, with folders in front if the name is not unique. Images named like an Agriculture-Vision tile
    belong to the field in that name; any other image is its own field. Images in a test folder but in none of its class
    folders are unlabelled.

    Raises:
      DataError: if all files of a class folder fall away.
      SettingsError: if `classes` names a class that has no image.
    """

    def __init__(self, folders: Mapping[str, FolderCount], classes: tuple[str, ...] = (), source_uri: str = "") -> None:
        counts = {folder: count.num_images for folder, count in folders.items() if count.num_images}
        self._has_splits = has_split_folders(counts)
        self._class_of = {folder: class_of(folder, self._has_splits) for folder in counts}
        self.account = Account()
        self._wanted = classes
        require_read_classes(_lost(folders, self._has_splits, classes), source_uri)
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
                else:
                    self._leave(WhyIgnored.OTHER_CLASS, folder, file.path)
            elif self._is_unlabelled(folder):
                self._leave(WhyIgnored.UNLABELLED, folder, file.path)
            else:
                expected = "<split>/<class>/<image>" if self._has_splits else "<class>/<image>"
                self.account.num_rejected += 1
                yield Rejection(file.path, f"in no class folder, expected {expected}")
        for folder, path, reason in group.others:
            is_sidecar = reason is WhyIgnored.DOCUMENT and any(folder == beside for beside, _, _ in group.files)
            self._leave(WhyIgnored.SIDECAR if is_sidecar else reason, folder, path)
        self.account.num_used += len(placed)
        self._compare(placed)
        # All files that could share a name are in this group.
        uses = collections.Counter(name for file, _ in placed for name in set(_names(file)))
        for file, class_name in placed:
            self.account.note_labels(self._split_of(file.path), (class_name,))
            yield SourceTile(
                tile_id=next((name for name in _names(file) if uses[name] == 1), file.path),
                field_id=_field_id(file),
                split=self._split_of(file.path),
                shard=0,
                rgb=file,
                classes=(class_name,),
            )

    def _compare(self, placed: list[tuple[SourceFile, str]]) -> None:
        """Notes whether PNG files of one tile are in two classes: masks are, and pictures are not."""
        classes = {name for file, name in placed if file.path.lower().endswith(".png") and "/" not in _field_id(file)}
        self.account.num_png_names += bool(classes)
        self.account.num_alike += len(classes) > 1

    def _split_of(self, path: str) -> str:
        return SPLIT_FOLDERS.get(path.partition("/")[0].lower(), UNDECIDED) if self._has_splits else UNDECIDED

    def _leave(self, reason: WhyIgnored, folder: str, path: str) -> None:
        """Counts a file that is not used, under the class and split of its folder."""
        class_name = class_of(folder, self._has_splits) or ""
        if reason is WhyIgnored.LINK_TO_NOTHING and "." not in path.rpartition("/")[2]:
            # The link is in place of the folder of a class, or of a split.
            class_name = class_name or class_of(path, self._has_splits) or ""
            class_name = ANY_CLASS if path.lower() in SPLIT_FOLDERS else class_name
        if class_name not in ("", ANY_CLASS) and self._wanted and class_name not in self._wanted:
            reason = WhyIgnored.OTHER_CLASS
        self.account.ignored.add(reason, class_name, self._split_of(path), path)


def _lost(
    folders: Mapping[str, FolderCount], has_splits: bool, classes: tuple[str, ...]
) -> dict[str, tuple[int, int, str]]:
    """Returns the class folders of which no file is an image that is read, as require_read_classes takes them."""
    return {
        folder: (count.num_lost, count.num_links, f"{folder}/{count.lost_name}")
        for folder, count in folders.items()
        if count.num_lost and not count.num_images and (name := class_of(folder, has_splits)) is not None
        if not classes or name in classes
    }


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
