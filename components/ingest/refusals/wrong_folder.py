"""Tells a source that is not the folder of a dataset, but one inside it, one above it, or of another kind.

All of it is told from names. Folders called images and masks are the two halves of a segmentation set: taken for class
folders, they would train a classifier of pictures against masks, and it would be nearly perfect.
"""

import itertools
import os
import re
from collections.abc import Callable, Collection

from components.errors import DataError

_PICTURES = frozenset(
    {
        *("image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "jpegimages"),
        *("rgb", "nir", "field_images"),
    }
)
_MASKS = frozenset(
    {
        *("mask", "masks", "label", "labels", "annotation", "annotations", "ann", "anns"),
        *("groundtruth", "ground_truth", "ground-truth", "gt"),
        *("segmentation", "segmentations", "segmentationclass", "segmentationobject"),
        *("boundaries", "field_bounds", "field_masks", "field_labels"),
    }
)
# These may be names of classes; only two of them that differ in nothing else are no classes.
_ALSO_PICTURES = _PICTURES | {"input", "inputs", "original", "originals", "raw"}
_ALSO_MASKS = _MASKS | {"target", "targets", "output", "outputs", "seg", "segs"}
_SPLIT_PARTS = frozenset(("train", "training", "val", "valid", "validation", "test", "testing"))
_IN_A_SPLIT = re.compile(r"images/(?:rgb|nir)")
_MOST_FOLDERS, _MOST_TRIED, _MOST_LEVELS = 2_000, 200, 4  # looked at for one that would work


def not_classes(classes: Collection[str]) -> list[str]:
    """Returns the names that are called like the parts of another kind of dataset, sorted; they are no classes."""
    found = {name for name in classes if name.lower() in _PICTURES | _MASKS}
    # "train_images" and "train_masks": what is left of both names is the same.
    pictures, masks = ({_without(name, kind): name for name in classes} for kind in (_ALSO_PICTURES, _ALSO_MASKS))
    for rest in pictures.keys() & masks.keys() - {None}:
        found |= {pictures[rest], masks[rest]}
    return sorted(found)


def _without(name: str, kind: Collection[str]) -> str | None:
    """Returns a name without the word of this kind that it has; None if it has none."""
    words = re.split(r"[ _.-]+", name.lower())
    rest = [word for word in words if word not in kind]
    return "_".join(rest) if len(rest) < len(words) else None


def is_label_folder(source_uri: str, layout_classes: Collection[str], classes: Collection[str]) -> bool:
    """Returns whether the class folders of a source are the label folders of a release, by their and its own name."""
    return _tail(source_uri)[-1:] in (["labels"], ["field_labels"]) and set(classes) <= set(layout_classes)


def one_split_note(source_uri: str) -> str:
    """Returns a remark on class folders whose own folder is called like a split; empty if it is not."""
    name = _tail(source_uri)[-1:]
    if not name or name[0].lower() not in _SPLIT_PARTS:
        return ""
    return (
        f"{source_uri!r} is called like one split; if the others lie beside it, source_uri must be the folder above, "
        f"{_up(source_uri, 1)!r}"
    )


def require_pictures(num_alike: int, num_png_names: int, source_uri: str) -> None:
    """Refuses class folders that hold the label masks of a release: most tiles are in two of them or more.

    Args:
      num_alike, num_png_names: As in account.Account.

    Raises:
      DataError: if they do.
    """
    if 2 * num_alike > num_png_names:
        raise DataError(
            f"{num_alike:,} of {num_png_names:,} tiles under {source_uri!r} have a PNG file in two class folders or "
            "more, as label masks do and pictures do not; source_uri must be the folder of the release, in which "
            "the masks are in labels/<class>/"
        )


def folder_that_would_work(
    folders: Collection[str],
    all_folders: Collection[str],
    source_uri: str,
    fits: Callable[[Collection[str]], bool],
) -> str:
    """Returns what was most likely meant, in one clause; empty if nothing can be told.

    Args:
      folders: Those with images, relative to the source; `all_folders` those with any file.
      fits: Whether folders, relative to another source, would be of a known layout.
    """
    if above := _above(folders, source_uri):
        return f"it is a part of a release; source_uri must be the folder of the release, {above!r}"
    if below := _below(folders, fits):
        named = " or ".join(repr(_joined(source_uri, folder)) for folder in below[:2])
        return f"source_uri must be the folder below it that holds the dataset: {named}"
    tops = {part for folder in all_folders for part in folder.split("/")[:2]}
    if any(name.lower() in _MASKS or _without(name, _MASKS) is not None for name in not_classes(tops)):
        return (
            "folders of pictures beside folders of masks or boxes are a segmentation or detection set, which is not "
            "read; sort the pictures into a folder per class"
        )
    if folders and not any(folders):
        return f"the images lie directly in it; if it is a class folder, give the one above it, {_up(source_uri, 1)!r}"
    if deep := sorted(folder for folder in folders if folder.count("/") > _starts_with_split(folder)):
        return f"the images lie too deep, as in {deep[0]!r}; move them up into their class folders"
    return ""


def _starts_with_split(folder: str) -> bool:
    return folder.split("/")[0].lower() in _SPLIT_PARTS


def _above(folders: Collection[str], source_uri: str) -> str:
    """Returns the release's folder if the source is a part of a release; empty if it is none."""
    tail = _tail(source_uri)
    last = tail[-1] if tail else ""
    if any(_IN_A_SPLIT.fullmatch(folder) for folder in folders):
        return _up(source_uri, 1)
    tops = {folder.partition("/")[0] for folder in folders}
    if tops and tops <= {"rgb", "nir"} and last in ("images", "field_images"):
        return _up(source_uri, _levels(tail))
    if tops == {""} and last in ("rgb", "nir", "boundaries", "masks", "field_bounds", "field_masks"):
        return _up(source_uri, _levels(tail))
    return _up(source_uri, _levels(tail)) if last in ("labels", "field_labels") and "" not in tops else ""


def _levels(tail: list[str]) -> int:
    """Returns how many folders up the release's is: past the split's, or past the one of the paper's roles."""
    for levels, part in enumerate(reversed(tail), start=1):
        if part.lower() in _SPLIT_PARTS or part.startswith("field_"):
            return levels
    return 1


def _below(folders: Collection[str], fits: Callable[[Collection[str]], bool]) -> list[str]:
    """Returns the shallowest folders that would be of a known layout."""
    some = sorted(folders)[:_MOST_FOLDERS]
    for level in range(1, _MOST_LEVELS + 1):
        tops = sorted({"/".join(parts[:level]) for folder in some if len(parts := folder.split("/")) > level})
        found = [
            top
            for top in itertools.islice(tops, _MOST_TRIED)
            if top.rpartition("/")[2].lower() not in _SPLIT_PARTS
            and fits([folder.removeprefix(f"{top}/") for folder in some if folder.startswith(f"{top}/")])
        ]
        if found:
            return found
    return []


def _tail(source_uri: str) -> list[str]:
    """Returns the last parts of a source's place."""
    place = source_uri.partition("://")[2] if "://" in source_uri else os.path.abspath(source_uri)
    return [part for part in place.split("/") if part][-_MOST_LEVELS:]


def _up(source_uri: str, levels: int) -> str:
    if "://" in source_uri:
        return source_uri.rstrip("/").rsplit("/", levels)[0]
    return os.path.normpath(os.path.join(source_uri, *[".."] * levels))


def _joined(source_uri: str, folder: str) -> str:
    return f"{source_uri.rstrip('/')}/{folder}"
