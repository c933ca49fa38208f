"""Reads the paper release's `field_stats.json`, which describes each tile's labels in addition to the masks.

A tile is named by the path of its boundary. `label_counts` has its number of annotated regions by class, `label_areas`
the pixels of each region. Tiles are listed under their split or at the top level; entries of other forms are ignored.
"""

from collections.abc import Iterator
from typing import Any

from components.contracts import Annotation
from components.ingest.layouts import SPLIT_FOLDERS
from components.ingest.official_split import name_of

_ABSURD = 10**12  # regions, or pixels in one: no picture has as many, and still larger numbers could not be encoded


def stated_annotations(content: Any) -> Iterator[tuple[str, dict[str, Annotation]]]:
    """Yields the name of each listed tile with the classes that have annotated regions.

    Args:
      content: The decoded content of a JSON file.
    """
    for name, stated in _tiles(content):
        areas = stated.get("label_areas")
        annotations = (
            (class_name, _annotation(count, areas.get(class_name) if isinstance(areas, dict) else None))
            for class_name, count in stated["label_counts"].items()
        )
        yield name, {class_name: each for class_name, each in annotations if each is not None}


def _tiles(content: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if key.lower() in SPLIT_FOLDERS:
            yield from _tiles(value)
        elif isinstance(value, dict) and isinstance(value.get("label_counts"), dict):
            yield name_of(key), value


def _annotation(count: Any, areas: Any) -> Annotation | None:
    """Returns the annotation of one class; None if it has no region."""
    if not isinstance(count, int) or not 1 <= count < _ABSURD:
        return None
    numbers = [area for area in areas if isinstance(area, int | float)] if isinstance(areas, list) else []
    pixels = [round(area) for area in numbers if 0 <= area < _ABSURD]
    return Annotation(count, max(pixels, default=0), sum(pixels))
