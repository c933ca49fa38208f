"""Compares a tile's masks with the source's own statistics. A difference earns a remark; the tile stays."""

from collections.abc import Iterable, Mapping

from components.contracts import Annotation

_TOLERANCE = 0.02  # share of the area: the source may have rasterized region outlines by a different rule


def disagreement(annotated: Mapping[str, Annotation] | None, classes: Iterable[str], pixels: Mapping[str, int]) -> str:
    """Returns the differences, class by class; empty if there are none, or nothing is annotated.

    Args:
      annotated: The source's statistics by class; None if it has none.
      pixels: Pixels by class in the source's masks, inside the field or not; a class without a file is left out.
    """
    if annotated is None:
        return ""
    found = []
    for name in classes:
        stated, shown = annotated.get(name), pixels.get(name, 0)
        if stated is None and shown:
            found.append(f"{name}: no region annotated, {shown:,} px in the mask")
        elif stated is not None and not shown:
            found.append(f"{name}: {_regions(stated.num_regions)} annotated, the mask is empty")
        elif stated is not None and not _fits(stated, shown):
            found.append(
                f"{name}: {_regions(stated.num_regions)} of {_area(stated)} annotated, {shown:,} px in the mask"
            )
    return "; ".join(found)


def _fits(stated: Annotation, shown: int) -> bool:
    """Returns whether a pixel count fits; regions may overlap, so from the largest to the sum of all regions."""
    if not stated.total_area:
        return True
    return stated.largest_area * (1 - _TOLERANCE) <= shown <= stated.total_area * (1 + _TOLERANCE)


def _regions(count: int) -> str:
    return f"{count:,} region" + ("" if count == 1 else "s")


def _area(stated: Annotation) -> str:
    low, high = f"{stated.largest_area:,}", f"{stated.total_area:,}"
    return f"{low} px" if low == high else f"{low} to {high} px"
