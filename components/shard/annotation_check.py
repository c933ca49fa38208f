"""Whether a tile's masks show what the source's own statistics say of it. Where not, that is a remark, not a fault."""

from collections.abc import Iterable, Mapping

from components.contracts import Annotation

_TOLERANCE = 0.02  # of the area: outlines of regions may have been drawn into pixels by another rule


def disagreement(annotated: Mapping[str, Annotation] | None, classes: Iterable[str], pixels: Mapping[str, int]) -> str:
    """Returns what does not agree, class by class; empty if nothing, or if nothing is stated.

    Args:
      annotated: What is stated, by class.
      pixels: Of the mask as it is in the source, inside the field or not, by class; a class without a file is left out.
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
    """Regions may overlap, so that a mask has as many pixels as the largest at least, and as all together at most."""
    if not stated.total_area:
        return True
    return stated.largest_area * (1 - _TOLERANCE) <= shown <= stated.total_area * (1 + _TOLERANCE)


def _regions(count: int) -> str:
    return f"{count:,} region" + ("" if count == 1 else "s")


def _area(stated: Annotation) -> str:
    low, high = f"{stated.largest_area:,}", f"{stated.total_area:,}"
    return f"{low} px" if low == high else f"{low} to {high} px"
