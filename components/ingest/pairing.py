"""Which files make up a tile of an Agriculture-Vision release."""

import collections
import dataclasses
from collections.abc import Collection, Mapping

from components.agrivision import parse_tile_id
from components.contracts import Rejection, SourceFile, SourceTile
from components.errors import DataError
from components.ingest.layouts import CLASSES, IMAGE_SUFFIXES, UNSCORED_CLASSES, Place, place_of, require_classes

UNDECIDED = ""  # the split of a tile, as long as none is known

_NEEDED = ("rgb", "nir", "boundary", "mask")


@dataclasses.dataclass(frozen=True)
class Pairing:
    """The tiles of a source.

    Attributes:
      tiles: Each with its official split, or UNDECIDED; `shard` is yet to be planned.
      rejected: Tiles that lack a file, have a bad name, or are there twice.
      classes: The class list.
      num_unlabelled: Tiles left aside, as their official split has no labels.
      left_aside: Files of the classes that are not in the class list, by class.
    """

    tiles: list[SourceTile]
    rejected: list[Rejection]
    classes: tuple[str, ...]
    num_unlabelled: int
    left_aside: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class _Group:
    """The files of one name in one part and split; `labels` by class."""

    files: dict[str, SourceFile] = dataclasses.field(default_factory=dict)
    labels: dict[str, SourceFile] = dataclasses.field(default_factory=dict)


def pair_release(
    files: Collection[SourceFile],
    layout: str,
    official: Mapping[str, str],
    source_uri: str,
    classes: tuple[str, ...] = (),
) -> Pairing:
    """Pairs the files of a release by the name of their tile.

    A label file may be missing, which means that the tile does not have the class.

    Args:
      official: Split by tile or field name, where files beside the tiles give it; else empty.
      classes: The user's class list, other label folders than whose are left aside; empty for that of the layout.

    Raises:
      DataError: for label folders of unknown classes, or if all tiles lack the same band.
      SettingsError: if the user's class list names a class that has no label.
    """
    groups: dict[tuple[str, str, str], _Group] = collections.defaultdict(_Group)
    labelled_splits: set[str] = set()
    label_files: collections.Counter[str] = collections.Counter()
    rejected: list[Rejection] = []
    # In the order of paths, so that a listing in any order gives the same tiles.
    for file in sorted(files, key=lambda file: file.path):
        folder, _, name = file.path.rpartition("/")
        stem, dot, suffix = name.rpartition(".")
        place = place_of(folder, layout)
        if place is None or dot + suffix.lower() not in _suffixes(place):
            continue
        if place.role == "label":
            labelled_splits.add(place.split)
            label_files[place.class_name] += 1
            if classes and place.class_name not in classes:
                continue
            if not classes and not _is_scored(place.class_name, layout, folder, source_uri):
                continue
        group = groups[place.part, place.split, stem]
        by_name, key = (group.labels, place.class_name) if place.role == "label" else (group.files, place.role)
        if by_name.setdefault(key, file) is not file:
            rejected.append(Rejection(stem, f"{place.role}: a second file of this name, {file.path}, is not used"))

    require_classes(classes, label_files, source_uri)
    _require_bands([group.files for group in groups.values()], source_uri)
    tiles: dict[str, SourceTile] = {}
    num_unlabelled = 0
    for (_, split, stem), group in groups.items():
        if not {"rgb", "nir"} & group.files.keys():
            continue  # labels and maps of nothing
        if split not in labelled_splits:
            num_unlabelled += "rgb" in group.files
            continue
        tile = _tile(stem, group, split, official)
        if isinstance(tile, SourceTile) and stem in tiles:
            tile = Rejection(stem, f"a second tile of this name, {tile.rgb.path}; {tiles[stem].rgb.path} is kept")
        if isinstance(tile, Rejection):
            rejected.append(tile)
        else:
            tiles[stem] = tile
    names = classes or CLASSES[layout]
    left_aside = {name: count for name, count in sorted(label_files.items()) if name not in names}
    return Pairing(list(tiles.values()), rejected, names, num_unlabelled, left_aside)


def _suffixes(place: Place) -> tuple[str, ...]:
    return IMAGE_SUFFIXES if place.role in ("rgb", "nir") else (".png",)


def _is_scored(class_name: str, layout: str, folder: str, source_uri: str) -> bool:
    unscored = UNSCORED_CLASSES.get(layout, ())
    if class_name in CLASSES[layout] or class_name in unscored:
        return class_name not in unscored
    # Left out in silence, its tiles would count as showing nothing.
    known = ", ".join((*CLASSES[layout], *unscored))
    raise DataError(
        f"unknown class folder {folder!r} under {source_uri!r}; the classes of {layout} are {known}; "
        "ingest_classes can name others"
    )


def _require_bands(groups: list[dict[str, SourceFile]], source_uri: str) -> None:
    for band, other in (("nir", "rgb"), ("rgb", "nir")):
        with_other = [group[other].path for group in groups if other in group]
        if with_other and not any(band in group for group in groups):
            there = with_other[0].rpartition("/")[0]
            raise DataError(
                f"no tile under {source_uri!r} has a {band} file, and {len(with_other):,} have {other}; "
                f"expected a folder {band} beside {there!r}, with images of the same names"
            )


def _tile(stem: str, group: _Group, split: str, official: Mapping[str, str]) -> SourceTile | Rejection:
    try:
        field_id = parse_tile_id(stem).field_id
    except ValueError as error:
        return Rejection(stem, str(error))
    if missing := [role for role in _NEEDED if role not in group.files]:
        return Rejection(stem, f"{missing[0]}: no such file")
    if official:
        by_name = official.get(stem) or official.get(field_id)
        if by_name is None:
            return Rejection(stem, "in no split: the split files name neither the tile nor its field")
        split = by_name
    return SourceTile(
        tile_id=stem,
        field_id=field_id,
        split=split or UNDECIDED,
        shard=0,
        rgb=group.files["rgb"],
        nir=group.files["nir"],
        boundary=group.files["boundary"],
        mask=group.files["mask"],
        labels=group.labels,
    )
