"""Recognises the layout of a source from the names of its folders alone."""

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
from components.ingest.refusals import wrong_folder
from components.ingest.settings import AUTO
from components.records.source_formats import IMAGE_SUFFIXES

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}  # in any case
CLASSES = {
    PAPER_2020: PAPER_2020_CLASSES,
    CHALLENGE_2020: CHALLENGE_2020_CLASSES,
    SUPERVISED_2021: SUPERVISED_2021_CLASSES,
}
# Known label folders that are not used.
UNSCORED_CLASSES: dict[str, tuple[str, ...]] = {SUPERVISED_2021: ("storm_damage",)}
EXPECTED = {
    PAPER_2020: "data<year>_miniscale/field_images/{rgb,nir}/",
    CHALLENGE_2020: "{train,val,test}/images/{rgb,nir}/ and labels/{cloud_shadow,...}/",
    SUPERVISED_2021: "{train,val,test}/images/{rgb,nir}/ and labels/{drydown,...}/",
    CLASS_FOLDERS: f"[{{train,val,test}}/]<class>/<image> of two classes or more, images {', '.join(IMAGE_SUFFIXES)}",
}

_CHALLENGE_LAYOUTS = (CHALLENGE_2020, SUPERVISED_2021)
_MAPS = {"boundaries": "boundary", "masks": "mask", "field_bounds": "boundary", "field_masks": "mask"}
_PAPER_FOLDER = re.compile(
    r"(?:(?P<part>.+)/)?(?P<split>)"
    r"(?:field_images/(?P<image>rgb|nir)|(?P<map>field_bounds|field_masks)|field_labels/(?P<label>[^/]+))"
)
_CHALLENGE_FOLDER = re.compile(
    rf"(?:(?P<part>.+)/)?(?P<split>(?i:{'|'.join(SPLIT_FOLDERS)}))/"
    r"(?:images/(?P<image>rgb|nir)|(?P<map>boundaries|masks)|labels/(?P<label>[^/]+))"
)
_NUM_SHOWN = 5  # folders listed in an error


@dataclasses.dataclass(frozen=True)
class Place:
    """What a folder of an Agriculture-Vision layout holds.

    Attributes:
      part: The release's top folder, e.g. one year's; all files of a tile share it.
      split: Official split; empty if the folder does not give it.
      role: "rgb", "nir", "boundary", "mask" or "label".
      class_name: The class of a label; else empty.
    """

    part: str
    split: str
    role: str
    class_name: str


@dataclasses.dataclass(slots=True)
class FolderCount:
    """The number of files directly in a folder.

    Attributes:
      number: The folder's number, in order of first appearance.
      num_images: Files with one of IMAGE_SUFFIXES.
      num_tiffs: Those of them that are TIFFs.
      num_masks: Those of them that may be masks, by MASK_SUFFIXES.
      num_lost: What was meant to be an image but cannot be read as one, e.g. links to nothing; no documents.
      num_links: Those of them that are links to nothing.
      lost_name: The first name of these.
    """

    number: int
    num_files: int = 0
    num_images: int = 0
    num_tiffs: int = 0
    num_masks: int = 0
    num_lost: int = 0
    num_links: int = 0
    lost_name: str = ""


@functools.lru_cache(maxsize=4096)
def place_of(folder: str, layout: str) -> Place | None:
    """Returns what `folder`, relative to the source, holds in `layout`; None if it holds no files of tiles."""
    match = (_PAPER_FOLDER if layout == PAPER_2020 else _CHALLENGE_FOLDER).fullmatch(folder)
    if match is None:
        return None
    role = "label" if match["label"] else match["image"] or _MAPS[match["map"]]
    split = SPLIT_FOLDERS.get(match["split"].lower(), "")
    # Two folders that mean the same split, as val and valid, are two parts: the files of a tile are in one of them.
    part = [match["part"] or "", match["split"] if match["split"] != split else ""]
    return Place("/".join(filter(None, part)), split, role, match["label"] or "")


def has_split_folders(folders: Collection[str]) -> bool:
    """Returns whether class folders are at `<split>/<class>/` rather than at `<class>/`."""
    return any(folder.count("/") == 1 and folder.partition("/")[0].lower() in SPLIT_FOLDERS for folder in folders)


def class_of(folder: str, split_folders: bool) -> str | None:
    """Returns the class of the images in `folder`, in the class-folders layout; None if they have none."""
    top, _, rest = folder.partition("/")
    name = rest if split_folders and top.lower() in SPLIT_FOLDERS else folder if not split_folders else ""
    return name if name and "/" not in name and name.lower() not in SPLIT_FOLDERS else None


def recognise_layout(
    counts: Mapping[str, FolderCount], requested: str, source_uri: str, classes: Collection[str] = ()
) -> str:
    """Returns the layout of a source.

    Args:
      counts: File counts by folder, relative to the source.
      requested: "auto", or the layout that the source must have.
      classes: The user's class list; empty for the layout's own.

    Raises:
      DataError: if the source is empty, has no known layout or two of them, or is one of images without labels.
      SettingsError: if the source does not have the requested layout, or is ambiguous and none was requested.
    """
    folders = {folder for folder, count in counts.items() if count.num_images}
    found = _fitting(folders)
    if not found:
        raise DataError(_not_found(counts, folders, requested, source_uri))
    if found == [CLASS_FOLDERS]:
        _require_class_folders(folders, source_uri, classes)
    if requested in found:
        return requested
    if requested != AUTO:
        raise SettingsError(
            f"ingest_layout is {requested}, but {source_uri!r} looks like {' or '.join(found)}; "
            f"expected {EXPECTED[requested]}, found {_seen(counts)}; auto would recognise it"
        )
    if tuple(found) == _CHALLENGE_LAYOUTS:
        return found[0] if classes and _label_folders(folders) else _by_labels(counts, folders, source_uri)
    if len(found) > 1:
        raise DataError(f"{source_uri!r} holds {' and '.join(found)}; source_uri must be the folder of one release")
    return found[0]


def _by_labels(counts: Mapping[str, FolderCount], folders: Collection[str], source_uri: str) -> str:
    """Refuses a challenge release whose labels do not say which one it is, and says why they do not.

    Raises:
      DataError: if there are no labels.
      SettingsError: if their classes belong to neither release, or to both.
    """
    labels = _label_folders(folders)
    if not labels:
        there = _label_folders(counts)
        seen = f"{len(there):,} label folders, but no PNG in them" if there else "no label folder"
        raise DataError(
            f"{source_uri!r} has the images of a challenge release, but no labels: it has {seen}; "
            f"expected masks in {{train,val}}/labels/<class>/*.png"
        )
    known = {name: {*CLASSES[name], *UNSCORED_CLASSES.get(name, ())} for name in _CHALLENGE_LAYOUTS}
    neither = [name for name in labels if not any(name in classes for classes in known.values())]
    if neither:
        raise SettingsError(
            f"the label folders under {source_uri!r} name classes of no known release: {', '.join(neither)}; "
            f"{CHALLENGE_2020} has {', '.join(CLASSES[CHALLENGE_2020])}; {SUPERVISED_2021} has "
            f"{', '.join(CLASSES[SUPERVISED_2021])}; rename the folders, or set ingest_classes to those to use"
        )
    raise SettingsError(
        f"the label folders under {source_uri!r} ({', '.join(labels)}) do not distinguish {CHALLENGE_2020} from "
        f"{SUPERVISED_2021}; set ingest_layout to one of them, or ingest_classes to the label folders to use"
    )


def _not_found(counts: Mapping[str, FolderCount], folders: Collection[str], requested: str, source_uri: str) -> str:
    """Returns why a source has no known layout: what was seen, what was expected, and what would work."""
    wanted = LAYOUTS if requested == AUTO else (requested,)
    expected = "; ".join(f"{name}: {EXPECTED[name]}" for name in wanted)
    text = f"no known layout under {source_uri!r}, which has {_seen(counts)}; expected {expected}"
    lost = {folder: count for folder, count in counts.items() if count.num_lost and not count.num_images}
    if lost and _fitting({*folders, *lost}):
        some = min(lost)
        num_lost, num_links = (
            sum(each.num_lost for each in lost.values()),
            sum(each.num_links for each in lost.values()),
        )
        return (
            f"{num_lost:,} files under {source_uri!r} are not images that are read, e.g. {some}/{lost[some].lost_name}"
            f"{f'; {num_links:,} are links to nothing' if num_links else ''}; convert or restore them; {text}"
        )
    meant = wrong_folder.folder_that_would_work(folders, counts, source_uri, _is_suitable)
    return f"{text}; {meant}" if meant else text


def _is_suitable(folders: Collection[str]) -> bool:
    found = _fitting(folders)
    return bool(found) and (found != [CLASS_FOLDERS] or not wrong_folder.not_classes(_class_names(folders)))


def _class_names(folders: Collection[str]) -> set[str]:
    split_folders = has_split_folders(folders)
    return {name for folder in folders if (name := class_of(folder, split_folders)) is not None}


def _require_class_folders(folders: Collection[str], source_uri: str, classes: Collection[str]) -> None:
    """Refuses folders that only look like class folders, unless the user names them as classes.

    Raises:
      DataError: if they are called like the parts of another dataset; says what would work.
    """
    if classes:
        return
    names = _class_names(folders)
    known = {each for layout in CLASSES for each in (*CLASSES[layout], *UNSCORED_CLASSES.get(layout, ()))}
    if wrong_folder.is_label_folder(source_uri, known, names):
        seen = "are called like the label folders of a release"
    elif odd := wrong_folder.not_classes(names):
        seen = f"are not called like classes: {', '.join(odd[:_NUM_SHOWN])}"
    else:
        return
    meant = wrong_folder.folder_that_would_work(folders, folders, source_uri, _is_suitable)
    raise DataError(
        f"the folders under {source_uri!r} {seen}; {meant or f'expected {EXPECTED[CLASS_FOLDERS]}'}; "
        "if they are classes all the same, name them in ingest_classes"
    )


def require_classes(wanted: Collection[str], found: Collection[str], source_uri: str) -> None:
    """Refuses a user's class list that names a class the source does not have.

    Raises:
      SettingsError: for the first class without a folder.
    """
    if missing := [name for name in wanted if name not in found]:
        raise SettingsError(
            f"ingest_classes names {missing[0]!r}, but there is no such class under {source_uri!r}; "
            f"it has {', '.join(sorted(found)) or 'no class'}"
        )


def _fitting(folders: Collection[str]) -> list[str]:
    """Returns the layouts that the image folders fit; several if they are ambiguous, or hold several."""
    found = []
    if any(_is_image_folder(folder, PAPER_2020) for folder in folders):
        found.append(PAPER_2020)
    if any(_is_image_folder(folder, CHALLENGE_2020) for folder in folders):
        labels = set(_label_folders(folders))
        fits = [name for name in _CHALLENGE_LAYOUTS if labels <= {*CLASSES[name], *UNSCORED_CLASSES.get(name, ())}]
        found += fits or _CHALLENGE_LAYOUTS
    if not found and len(_class_names(folders)) > 1:
        found.append(CLASS_FOLDERS)
    return found


def _is_image_folder(folder: str, layout: str) -> bool:
    place = place_of(folder, layout)
    return place is not None and place.role in ("rgb", "nir")


def _label_folders(folders: Collection[str]) -> list[str]:
    places = (place_of(folder, CHALLENGE_2020) for folder in folders)
    return sorted({place.class_name for place in places if place is not None and place.role == "label"})


def _seen(counts: Mapping[str, FolderCount]) -> str:
    """Describes what a source has, in a few words."""
    if not counts:
        return "no file"
    # Two levels, because many releases differ only in the second.
    folders = sorted({"/".join(folder.split("/")[:2]) + "/" for folder in counts if folder})
    if not folders:
        return f"{counts[''].num_files:,} files and no folder"
    more = f" and {len(folders) - _NUM_SHOWN:,} more folders" if len(folders) > _NUM_SHOWN else ""
    return ", ".join(folders[:_NUM_SHOWN]) + more
