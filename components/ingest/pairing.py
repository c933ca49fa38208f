"""Pairs the files of an Agriculture-Vision release into tiles."""

import collections
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Protocol, TypeAlias

from components.agrivision import PAPER_2020, parse_tile_id
from components.contracts import Annotation, Rejection, SourceFile, SourceTile, WhyIgnored
from components.errors import DataError
from components.ingest.layouts import (
    CLASSES,
    UNSCORED_CLASSES,
    FolderCount,
    Place,
    place_of,
    require_classes,
)
from components.ingest.listing import Group
from components.ingest.official_split import agreed_split, is_split_file
from components.ingest.refusals.account import ANY_CLASS, Account
from components.ingest.refusals.lost_classes import require_masks
from components.records.source_formats import IMAGE_SUFFIXES, MASK_SUFFIXES

UNDECIDED = ""  # the split of a tile until it is known

_NEEDED = ("rgb", "nir", "boundary", "mask")
_IMAGES = ("rgb", "nir")

Paired: TypeAlias = SourceTile | Rejection


class Pairing(Protocol):
    """Turns files into tiles, one name at a time.

    Attributes:
      classes: The class list.
      left_aside: Number of files by class, for the classes that are not in the class list.
      num_unlabelled: Tiles set aside so far because their official split has no labels.
      account: What became of the files so far.
    """

    classes: tuple[str, ...]
    left_aside: Mapping[str, int]
    num_unlabelled: int
    account: Account

    def pair(self, group: Group) -> Iterator[Paired]:
        """Yields the tiles of one name, each with its official split or UNDECIDED, and the rejections."""
        ...


@dataclasses.dataclass
class _Files:
    """The files of one name in one part and split; `labels` by class, and so the paths of those that are not read."""

    by_role: dict[str, SourceFile] = dataclasses.field(default_factory=dict)
    labels: dict[str, SourceFile] = dataclasses.field(default_factory=dict)
    unread: dict[str, str] = dataclasses.field(default_factory=dict)


class ReleasePairing:
    """Pairs the files of a release by the name of their tile; see Pairing.

    A missing label file means that the tile does not have the class. A tile is rejected if it lacks any other file, has
    a label file that is not read, has a bad name, exists twice, or is in no split.

    Args:
      folders: File counts of the folders to pair.
      has_splits: Whether files beside the tiles state their official split.
      classes: The user's class list; label folders of other classes are set aside. Empty for the layout's own list.

    Raises:
      DataError: if a label folder has an unknown class or no mask that is read, or all tiles lack the same band.
      SettingsError: if the user's class list names a class without labels.
    """

    def __init__(
        self,
        folders: Mapping[str, FolderCount],
        layout: str,
        has_splits: bool,
        source_uri: str,
        classes: tuple[str, ...] = (),
    ) -> None:
        self._source_uri = source_uri
        self._layout = layout
        self.account = Account()
        self._has_splits = has_splits
        self._field_split = (UNDECIDED, UNDECIDED)  # the last field that a split file names, and its split
        self._wanted = classes
        self._places: dict[str, Place] = {}
        self._labelled_splits: set[str] = set()
        label_files: collections.Counter[str] = collections.Counter()
        for folder in sorted(folders):
            place = place_of(folder, layout)
            if place is None:
                continue
            is_wanted = place.role != "label" or _is_wanted(place.class_name, classes, layout)
            files = folders[folder]
            if not (count := _num_usable(files, place)):
                if place.role == "label" and is_wanted:
                    require_masks(folder, files.num_images + files.num_lost, files.num_links, source_uri)
                continue
            if place.role == "label":
                self._labelled_splits.add(place.split)
                label_files[place.class_name] += count
                if classes and place.class_name not in classes:
                    continue
                if not classes and not _is_scored(place.class_name, layout, folder, source_uri):
                    continue
            self._places[folder] = place
        require_classes(classes, label_files, source_uri)
        self._require_bands(folders)
        self.classes = classes or CLASSES[layout]
        self.left_aside: Mapping[str, int] = {
            name: count for name, count in sorted(label_files.items()) if name not in self.classes
        }
        self.num_unlabelled = 0

    def _require_bands(self, folders: Mapping[str, FolderCount]) -> None:
        for band, other in (("nir", "rgb"), ("rgb", "nir")):
            there = [folder for folder, place in self._places.items() if place.role == other]
            if there and not any(place.role == band for place in self._places.values()):
                count = sum(folders[folder].num_images for folder in there)
                raise DataError(
                    f"no tile under {self._source_uri!r} has a {band} file, but {count:,} have {other}; "
                    f"expected a folder {band} beside {there[0]!r}, with images of the same names"
                )

    def pair(self, group: Group) -> Iterator[Paired]:
        """Yields the tiles of one name, and the rejections.

        Raises:
          DataError: if the split files contradict each other.
        """
        split_of_name = UNDECIDED
        if group.splits:
            name = group.key.removesuffix("_")
            split_of_name = agreed_split(name, group.splits, self._source_uri)
            if name != group.key:
                self._field_split = (name, split_of_name)
        alike: dict[tuple[str, str, str], _Files] = {}
        for folder, stem, file in group.files:
            place = self._places.get(folder)
            if place is None or (place.role not in _IMAGES and not file.path.lower().endswith(MASK_SUFFIXES)):
                self._leave(folder, stem, file.path, WhyIgnored.NOT_READ, alike)
                continue
            place_and_name = (place.part, place.split, stem)
            files = alike.get(place_and_name)
            if files is None:
                files = alike[place_and_name] = _Files()
            by_name, key = (files.labels, place.class_name) if place.role == "label" else (files.by_role, place.role)
            if by_name.setdefault(key, file) is not file:
                self.account.num_rejected += 1
                yield Rejection(stem, f"{place.role}: a second file of this name, {file.path}, is not used")
        for folder, path, reason in group.others:
            if self._layout == PAPER_2020 and is_split_file(path) and reason is WhyIgnored.DOCUMENT:
                self.account.num_used += 1
            elif self._layout == PAPER_2020 and is_split_file(path):
                self.account.ignored.add(reason, ANY_CLASS, "", path)
            elif reason is WhyIgnored.DOCUMENT and any(folder == image_folder for image_folder, _, _ in group.files):
                self._leave(folder, group.key, path, WhyIgnored.SIDECAR, alike)
            else:
                self._leave(folder, group.key, path, reason, alike)
        kept: dict[str, SourceTile] = {}
        for (_, split, stem), files in alike.items():
            if not ("rgb" in files.by_role or "nir" in files.by_role):
                self.account.leave(WhyIgnored.NO_TILE, split, files.by_role.values(), files.labels)
                continue
            if split not in self._labelled_splits:
                self.num_unlabelled += "rgb" in files.by_role
                self.account.leave(WhyIgnored.UNLABELLED, split, files.by_role.values(), files.labels)
                continue
            tile = self._tile(stem, files, split, split_of_name if stem == group.key else UNDECIDED, group.annotated)
            if isinstance(tile, SourceTile):
                if stem in kept:
                    tile = Rejection(
                        stem, f"a second tile of this name, {tile.rgb.path}; {kept[stem].rgb.path} is kept"
                    )
                else:
                    kept[stem] = tile
            self.account.note_labels(split, files.labels)
            if isinstance(tile, SourceTile):
                self.account.num_used += len(files.by_role) + len(files.labels)
                self.account.note_tile(tile.split, files.labels)
            else:
                self.account.num_rejected += len(files.by_role) + len(files.labels)
            yield tile

    def _leave(
        self, folder: str, stem: str, path: str, reason: WhyIgnored, alike: dict[tuple[str, str, str], _Files]
    ) -> None:
        """Counts a file that is not used, under the class and split of its folder, and for a label notes its tile."""
        place = self._places.get(folder)
        link = path if reason is WhyIgnored.LINK_TO_NOTHING else ""
        if place is None and (place := _place(folder, link, self._layout)) is None:
            is_image = reason is WhyIgnored.NOT_READ and path.lower().endswith(IMAGE_SUFFIXES)
            self.account.ignored.add(WhyIgnored.ELSEWHERE if is_image else reason, "", "", path)
            return
        if place.role == "label" and reason is not WhyIgnored.SIDECAR:
            if not _is_wanted(place.class_name, self._wanted, self._layout):
                reason = WhyIgnored.OTHER_CLASS
            elif reason in (WhyIgnored.NOT_READ, WhyIgnored.SPECIAL):
                files = alike.setdefault((place.part, place.split, stem), _Files())
                files.unread.setdefault(place.class_name, path)
        self.account.ignored.add(reason, place.class_name, place.split, path)

    def _tile(
        self, stem: str, files: _Files, split: str, split_of_name: str, annotated: dict[str, Annotation] | None
    ) -> Paired:
        try:
            field_id = parse_tile_id(stem).field_id
        except ValueError as error:
            return Rejection(stem, str(error))
        by_role = files.by_role
        if missing := [role for role in _NEEDED if role not in by_role]:
            return Rejection(stem, f"{missing[0]}: no such file")
        if unread := [name for name in files.unread if name not in files.labels]:
            return Rejection(stem, f"{unread[0]}: its mask {files.unread[unread[0]]} is not read; expected a PNG")
        if self._has_splits:
            split = split_of_name or (self._field_split[1] if self._field_split[0] == field_id else UNDECIDED)
            if not split:
                return Rejection(stem, "in no split: the split files name neither the tile nor its field")
        return SourceTile(
            tile_id=stem,
            field_id=field_id,
            split=split,
            shard=0,
            rgb=by_role["rgb"],
            nir=by_role["nir"],
            boundary=by_role["boundary"],
            mask=by_role["mask"],
            labels=files.labels,
            annotated=annotated,
        )


def _num_usable(count: FolderCount, place: Place) -> int:
    return count.num_images if place.role in _IMAGES else count.num_masks


def _is_wanted(class_name: str, classes: tuple[str, ...], layout: str) -> bool:
    return class_name in classes if classes else class_name not in UNSCORED_CLASSES.get(layout, ())


def _place(folder: str, path: str, layout: str) -> Place | None:
    """Returns the place of a file in a folder that no tile has a file from.

    Args:
      path: Of a link to nothing, which may be in place of a folder; else empty.
    """
    links = (path, f"{path}/{ANY_CLASS}", f"{path}/labels/{ANY_CLASS}") if path else ()
    places = (place_of(each, layout) for each in (folder, *links))
    return next((place for place in places if place is not None), None)


def _is_scored(class_name: str, layout: str, folder: str, source_uri: str) -> bool:
    unscored = UNSCORED_CLASSES.get(layout, ())
    if class_name in CLASSES[layout] or class_name in unscored:
        return class_name not in unscored
    # If it were skipped silently, its tiles would count as showing nothing.
    known = ", ".join((*CLASSES[layout], *unscored))
    raise DataError(
        f"unknown class folder {folder!r} under {source_uri!r}; the classes of {layout} are {known}; "
        "ingest_classes can name others"
    )
