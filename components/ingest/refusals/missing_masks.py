"""Finds masks that are missing: of classes that have one for most tiles, whether they show the class or not.

A release may have a mask of every class for every tile, most of them empty, or only the masks that show something. In
the second kind a missing mask is normal; in the first it turns a tile into one that does not show the class. The names
of the folders do not say which kind it is, but the numbers do: 6 % of the published tiles show two classes or more, so
where tiles have the masks of many classes, these cannot be only the masks that show something.
"""

from collections.abc import Collection, Mapping

from components.contracts import IgnoredFiles, MissingMasks, WhyIgnored
from components.errors import DataError

_USUAL = 0.4  # share of the tiles with a mask from which on a class has masks for all; half of them may be missing
_FEWEST_CLASSES = 3  # of two classes, many tiles may show both


def missing_masks(num_tiles: Mapping[str, int], tiles_with: Mapping[tuple[str, str], int]) -> tuple[MissingMasks, ...]:
    """Returns the classes and splits that lack masks, sorted.

    A class lacks masks if it has them for most tiles of some split, but not for all of this one; or if it has masks in
    some split and none in this one, where other classes have some.

    Args:
      num_tiles: Tiles by split; `tiles_with` those that have a mask, by class and split.
    """
    classes = sorted({class_name for class_name, _ in tiles_with})
    found = []
    for class_name in classes:
        is_usual = any(
            tiles_with.get((class_name, split), 0) >= _USUAL * count for split, count in num_tiles.items() if count
        )
        for split, count in num_tiles.items():
            missing = count - tiles_with.get((class_name, split), 0)
            if missing and (is_usual or missing == count):
                found.append(MissingMasks(class_name=class_name, split=split, num_tiles=missing, num_expected=count))
    return tuple(sorted(found))


def missing_line(missing: Collection[MissingMasks]) -> str:
    """Returns a warning in one line; empty if nothing is missing."""
    if not missing:
        return ""
    parts = [
        f"{split or 'no split'}: "
        + ", ".join(
            f"{each.class_name} {each.num_tiles:,} of {each.num_expected:,}" for each in missing if each.split == split
        )
        for split in sorted({each.split for each in missing})
    ]
    return (
        "warning: masks are missing where other masks of the tile or of the class are there, so these tiles count as "
        f"not showing the class; {'; '.join(parts)}"
    )


def unlabelled_lines(ignored: Collection[IgnoredFiles]) -> list[str]:
    """Returns a warning for each split but test that has no labels at all; a published test has none."""
    return [
        f"warning: {row.split} has no labels, so its {row.num_files:,} files are not used, e.g. {row.examples[0]}"
        for row in ignored
        if row.reason is WhyIgnored.UNLABELLED and row.split not in ("", "test")
    ]


def require_masks_of_tiles(
    missing: Collection[MissingMasks],
    num_tiles: Mapping[str, int],
    tiles_with: Mapping[tuple[str, str], int],
    source_uri: str,
    limit: float,
) -> None:
    """Refuses a source that has masks for all tiles if more than the share `limit` of a class's are missing in a split.

    Raises:
      DataError: if it is more, and the source surely is one with a mask of every class for every tile.
    """
    classes = {class_name for class_name, _ in tiles_with}
    num_expected = len(classes) * sum(num_tiles.values())
    if len(classes) < _FEWEST_CLASSES or sum(tiles_with.values()) < _USUAL * num_expected:
        return
    for each in missing:
        # Where a split has no mask of a class at all, a release may simply not have labelled it there.
        if limit * each.num_expected < each.num_tiles < each.num_expected:
            place = f" {each.split}" if each.split else ""
            raise DataError(
                f"{each.num_tiles:,} of {each.num_expected:,}{place} tiles under {source_uri!r} have no mask of "
                f"{each.class_name}, {each.num_tiles / each.num_expected:.1%}, more than ingest_max_ignored_fraction="
                f"{limit:g} allows; other masks of these tiles are there, and without one a tile counts as not showing "
                "the class"
            )
