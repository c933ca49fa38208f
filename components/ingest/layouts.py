"""Which layout a source has, told from the names of its folders alone."""

import dataclasses
import functools
import re
from collections.abc import Collection, Mapping

from components.agrivision import (
    CHALLENGE_2020,
    CHALLENGE_2020_CLASSES,
    CLASS_FOLDERS,
    LAYOUTS,
    PAPER_2020,
    PAPER_2020_CLASSES,
    SUPERVISED_2021,
    SUPERVISED_2021_CLASSES,
)
from components.errors import DataError, SettingsError
from components.ingest.settings import AUTO

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
CLASSES = {
    PAPER_2020: PAPER_2020_CLASSES,
    CHALLENGE_2020: CHALLENGE_2020_CLASSES,
    SUPERVISED_2021: SUPERVISED_2021_CLASSES,
}
# Folders of label files that are known, and not used.
UNSCORED_CLASSES: dict[str, tuple[str, ...]] = {SUPERVISED_2021: ("storm_damage",)}
EXPECTED = {
    PAPER_2020: "data<year>_miniscale/field_images/{rgb,nir}/",
    CHALLENGE_2020: "{train,val,test}/images/{rgb,nir}/ and labels/{cloud_shadow,...}/",
    SUPERVISED_2021: "{train,val,test}/images/{rgb,nir}/ and labels/{drydown,...}/",
    CLASS_FOLDERS: "[{train,val,test}/]<class>/*.jpg of two classes or more",
}

_CHALLENGE_LAYOUTS = (CHALLENGE_2020, SUPERVISED_2021)
_MAPS = {"boundaries": "boundary", "masks": "mask", "field_bounds": "boundary", "field_masks": "mask"}
_PAPER_FOLDER = re.compile(
    r"(?:(?P<part>.+)/)?(?P<split>)"
    r"(?:field_images/(?P<image>rgb|nir)|(?P<map>field_bounds|field_masks)|field_labels/(?P<label>[^/]+))"
)
_CHALLENGE_FOLDER = re.compile(
    r"(?:(?P<part>.+)/)?(?P<split>train|val|test)/"
    r"(?:images/(?P<image>rgb|nir)|(?P<map>boundaries|masks)|labels/(?P<label>[^/]+))"
)
_NUM_SHOWN = 5  # folders, in an error


@dataclasses.dataclass(frozen=True)
class Place:
    """What a folder of an Agriculture-Vision layout holds.

    Attributes:
      part: The folder that the release starts in, e.g. one year's; the files of a tile have the same.
      split: Official split; empty where the folder does not tell.
      role: "rgb", "nir", "boundary", "mask" or "label".
      class_name: For labels.
    """

    part: str
    split: str
    role: str
    class_name: str


@dataclasses.dataclass(slots=True)
class FolderCount:
    """How many files lie in a folder itself.

    Attributes:
      number: Of the folder, in the order in which they were first seen.
      num_images: Files with one of IMAGE_SUFFIXES; `num_png` of them are PNG.
    """

    number: int
    num_files: int = 0
    num_images: int = 0
    num_png: int = 0


@functools.lru_cache(maxsize=4096)
def place_of(folder: str, layout: str) -> Place | None:
    """Returns what `folder`, relative to the source, holds in `layout`; None for a folder of no tiles."""
    match = (_PAPER_FOLDER if layout == PAPER_2020 else _CHALLENGE_FOLDER).fullmatch(folder)
    if match is None:
        return None
    role = "label" if match["label"] else match["image"] or _MAPS[match["map"]]
    return Place(match["part"] or "", match["split"], role, match["label"] or "")


def has_split_folders(folders: Collection[str]) -> bool:
    """Tells `<split>/<class>/` from `<class>/`."""
    return any(folder.count("/") == 1 and folder.partition("/")[0].lower() in SPLIT_FOLDERS for folder in folders)


def class_of(folder: str, split_folders: bool) -> str | None:
    """Returns the class that an image in `folder` is of, in the class-folders layout; None if it is of none."""
    top, _, rest = folder.partition("/")
    name = rest if split_folders and top.lower() in SPLIT_FOLDERS else folder if not split_folders else ""
    return name if name and "/" not in name and name.lower() not in SPLIT_FOLDERS else None


def recognise_layout(
    counts: Mapping[str, FolderCount], requested: str, source_uri: str, classes: Collection[str] = ()
) -> str:
    """Returns the layout of a source.

    Args:
      counts: By folder, relative to the source.
      requested: "auto", or the layout that it must have.
      classes: The user's class list; empty for that of the layout.

    Raises:
      DataError: for an empty source, or one of no known layout or of two.
      SettingsError: if the source has another layout than the requested one, or cannot be told without a request.
    """
    folders = {folder for folder, count in counts.items() if count.num_images}
    found = _fitting(folders)
    if not found:
        wanted = LAYOUTS if requested == AUTO else (requested,)
        expected = "; ".join(f"{name}: {EXPECTED[name]}" for name in wanted)
        raise DataError(f"no known layout under {source_uri!r}, which has {_seen(counts)}; expected {expected}")
    if requested in found:
        return requested
    if requested != AUTO:
        raise SettingsError(
            f"ingest_layout is {requested}, but {source_uri!r} looks like {' or '.join(found)}; "
            f"expected {EXPECTED[requested]}, found {_seen(counts)}; auto would recognise it"
        )
    if tuple(found) == _CHALLENGE_LAYOUTS and classes:
        return found[0]  # they differ in their class lists alone
    if tuple(found) == _CHALLENGE_LAYOUTS:
        labels = ", ".join(_label_folders(folders)) or "none"
        raise SettingsError(
            f"the label folders under {source_uri!r} ({labels}) do not tell {CHALLENGE_2020} from {SUPERVISED_2021}; "
            "set ingest_layout to one of them, or ingest_classes to the label folders to use"
        )
    if len(found) > 1:
        raise DataError(f"{source_uri!r} holds {' and '.join(found)}; source_uri must be the folder of one release")
    return found[0]


def require_classes(wanted: Collection[str], found: Collection[str], source_uri: str) -> None:
    """Refuses a user's class list that names what the source does not have.

    Raises:
      SettingsError: for the first class without a folder.
    """
    if missing := [name for name in wanted if name not in found]:
        raise SettingsError(
            f"ingest_classes names {missing[0]!r}, of which there is nothing under {source_uri!r}; "
            f"it has {', '.join(sorted(found)) or 'no class'}"
        )


def _fitting(folders: Collection[str]) -> list[str]:
    """Returns the layouts that the folders with images fit; several if they cannot tell, or hold several."""
    found = []
    if any(_is_image_folder(folder, PAPER_2020) for folder in folders):
        found.append(PAPER_2020)
    if any(_is_image_folder(folder, CHALLENGE_2020) for folder in folders):
        labels = set(_label_folders(folders))
        fits = [name for name in _CHALLENGE_LAYOUTS if labels <= {*CLASSES[name], *UNSCORED_CLASSES.get(name, ())}]
        found += fits or _CHALLENGE_LAYOUTS
    if not found:
        split_folders = has_split_folders(folders)
        if len({class_of(folder, split_folders) for folder in folders} - {None}) > 1:
            found.append(CLASS_FOLDERS)
    return found


def _is_image_folder(folder: str, layout: str) -> bool:
    place = place_of(folder, layout)
    return place is not None and place.role in ("rgb", "nir")


def _label_folders(folders: Collection[str]) -> list[str]:
    places = (place_of(folder, CHALLENGE_2020) for folder in folders)
    return sorted({place.class_name for place in places if place is not None and place.role == "label"})


def _seen(counts: Mapping[str, FolderCount]) -> str:
    """Returns what a source has, in a few words."""
    if not counts:
        return "no file"
    # Two levels, as many releases differ in the second only.
    folders = sorted({"/".join(folder.split("/")[:2]) + "/" for folder in counts if folder})
    if not folders:
        return f"{counts[''].num_files:,} files and no folder"
    more = f" and {len(folders) - _NUM_SHOWN:,} more folders" if len(folders) > _NUM_SHOWN else ""
    return ", ".join(folders[:_NUM_SHOWN]) + more
