"""Refuses a source in which a class has files, but none that can be read: the class would vanish."""

from collections.abc import Collection, Mapping

from components.agrivision import CLASS_FOLDERS
from components.contracts import IgnoredFiles, WhyIgnored
from components.errors import DataError

_NUM_NAMED = 5
_WITHOUT_LABELS = "without labels, tiles would count as not showing the class"


def require_masks(folder: str, num_lost: int, num_links: int, source_uri: str) -> None:
    """Refuses a label folder that has files, but none that is read as a mask.

    Args:
      num_lost: What seems to be a mask but is none; `num_links` of them are links to nothing.

    Raises:
      DataError: if there are any.
    """
    if num_lost:
        raise DataError(
            f"none of the {num_lost:,} files of {folder!r} under {source_uri!r} is a mask that is read"
            f"{_links(num_links)}; expected PNG; {_WITHOUT_LABELS}"
        )


def require_read_classes(lost: Mapping[str, tuple[int, int, str]], source_uri: str) -> None:
    """Refuses class folders whose files all fall away.

    Args:
      lost: By folder, the number of files that are not read, that of the links to nothing among them, and one's path.

    Raises:
      DataError: if there is one; names the first few.
    """
    if not lost:
        return
    named = [
        f"{folder!r} ({num_lost:,}, e.g. {path!r}{_links(num_links)})"
        for folder, (num_lost, num_links, path) in sorted(lost.items())
    ]
    more = f" and {len(named) - _NUM_NAMED:,} more" if len(named) > _NUM_NAMED else ""
    raise DataError(
        f"no file is an image that is read in the class folders {', '.join(named[:_NUM_NAMED])}{more} under "
        f"{source_uri!r}; convert or restore the files; if they are no class, move them out of the source or name the "
        "classes in ingest_classes"
    )


def _links(num_links: int) -> str:
    return f"; {num_links:,} are links to nothing" if num_links else ""


def require_whole_links(
    ignored: Collection[IgnoredFiles], num_labels: Mapping[tuple[str, str], int], layout: str, source_uri: str
) -> None:
    """Refuses a source in which a label file, or the folder of a class or a split, is a link to nothing.

    Raises:
      DataError: if there is one; names the first few.
    """
    rows = [row for row in ignored if row.reason is WhyIgnored.LINK_TO_NOTHING and row.class_name]
    if layout == CLASS_FOLDERS:
        rows = [row for row in rows if not num_labels.get((row.class_name, row.split))]
    if rows:
        count = sum(row.num_files for row in rows)
        names = sorted(example for row in rows for example in row.examples)[:_NUM_NAMED]
        raise DataError(
            f"{count:,} labels or splits under {source_uri!r} are links to nothing, e.g. {', '.join(map(repr, names))}"
            f"; {_WITHOUT_LABELS}; fetch the rest of the source (is it a partial checkout of DVC or git-annex, or a "
            "copy of the links alone?), or remove the links"
        )


def require_matching_masks(
    ignored: Collection[IgnoredFiles], num_labels: Mapping[tuple[str, str], int], source_uri: str
) -> None:
    """Refuses a class whose masks of one split all match no tile.

    Raises:
      DataError: if there is one; names the first.
    """
    for row in ignored:
        if row.reason is WhyIgnored.NO_TILE and row.class_name and not num_labels.get((row.class_name, row.split)):
            place = f" of {row.split}" if row.split else ""
            raise DataError(
                f"none of the {row.num_files:,} masks of {row.class_name}{place} under {source_uri!r} matches a tile, "
                f"e.g. {row.examples[0]!r}; a mask is called like the images of its tile"
            )
