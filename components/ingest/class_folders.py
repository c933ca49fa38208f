"""The tiles of a source that has one folder of images per class."""

import collections
from collections.abc import Collection

from components.agrivision import parse_tile_id
from components.contracts import Rejection, SourceFile, SourceTile
from components.ingest.layouts import IMAGE_SUFFIXES, SPLIT_FOLDERS, class_of, has_split_folders, require_classes
from components.ingest.pairing import UNDECIDED, Pairing


def find_images(files: Collection[SourceFile], classes: tuple[str, ...] = (), source_uri: str = "") -> Pairing:
    """Returns the images of `[<split>/]<class>/` as tiles of one class each.

    Classes are sorted by name, unless the user gives `classes`; then images of others are left aside. A tile is named
    by its file's name, with the folders in front where that is not unique. Images named like an Agriculture-Vision tile
    belong to the field of that name; any other image is a field of its own. Images in a test folder, and in no class
    folder of it, are unlabelled.

    Raises:
      SettingsError: if `classes` names a class that has no image.
    """
    images = sorted((file for file in files if file.path.lower().endswith(IMAGE_SUFFIXES)), key=lambda file: file.path)
    split_folders = has_split_folders({_folder(file) for file in images})
    placed: list[tuple[SourceFile, str]] = []
    rejected: list[Rejection] = []
    num_unlabelled = 0
    for file in images:
        if (class_name := class_of(_folder(file), split_folders)) is not None:
            placed.append((file, class_name))
        elif split_folders and SPLIT_FOLDERS.get(_folder(file).lower()) == "test":
            num_unlabelled += 1
        else:
            expected = "<split>/<class>/<image>" if split_folders else "<class>/<image>"
            rejected.append(Rejection(file.path, f"in no class folder, expected {expected}"))

    found = collections.Counter(class_name for _, class_name in placed)
    require_classes(classes, found, source_uri)
    classes = classes or tuple(sorted(found))
    left_aside = {name: count for name, count in sorted(found.items()) if name not in classes}
    if left_aside:
        placed = [(file, class_name) for file, class_name in placed if class_name in classes]
    uses = collections.Counter(name for file, _ in placed for name in set(_names(file)))
    tiles: dict[str, SourceTile] = {}
    for file, class_name in placed:
        tile_id = next((name for name in _names(file) if uses[name] == 1), file.path)
        split = SPLIT_FOLDERS[file.path.partition("/")[0].lower()] if split_folders else UNDECIDED
        tiles[tile_id] = SourceTile(
            tile_id=tile_id, field_id=_field_id(file), split=split, shard=0, rgb=file, classes=(class_name,)
        )
    return Pairing(list(tiles.values()), rejected, classes, num_unlabelled, left_aside)


def _folder(file: SourceFile) -> str:
    return file.path.rpartition("/")[0]


def _path_stem(file: SourceFile) -> str:
    return file.path.rpartition(".")[0]


def _names(file: SourceFile) -> list[str]:
    """Returns what the tile may be called, shortest first; the path alone is sure to be unique."""
    parts = _path_stem(file).split("/")
    return ["/".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)] + [file.path]


def _field_id(file: SourceFile) -> str:
    try:
        return parse_tile_id(_path_stem(file).rpartition("/")[2]).field_id
    except ValueError:
        return _path_stem(file)
