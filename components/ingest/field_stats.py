"""What the paper release's `field_stats.json` says of the labels of each tile, beside the masks themselves.

For a tile, named by the path of its boundary, `label_counts` has the number of annotated regions by class and
`label_areas` the pixels of each. The tiles stand under their split, or by themselves; what has another form says
nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from components.contracts import Annotation, SourceFile, SourceTile
from components.ingest.layouts import SPLIT_FOLDERS
from components.ingest.official_split import name_of, read_split_file


def read_annotations(source_uri: str, files: list[SourceFile]) -> dict[str, dict[str, Annotation]]:
    """Returns, by tile name, the classes that have annotated regions; a tile that is not stated is left out.

    Raises:
      DataError: if a file is damaged.
    """
    found: dict[str, dict[str, Annotation]] = {}
    for file in sorted(files, key=lambda file: file.path):
        for name, stated in _tiles(read_split_file(source_uri, file)):
            areas = stated.get("label_areas")
            annotations = (
                (class_name, _annotation(count, areas.get(class_name) if isinstance(areas, dict) else None))
                for class_name, count in stated["label_counts"].items()
            )
            found[name] = {class_name: each for class_name, each in annotations if each is not None}
    return found


def annotated(tiles: list[SourceTile], annotations: Mapping[str, dict[str, Annotation]]) -> list[SourceTile]:
    """Returns the tiles with what is stated of them."""
    return [msgspec.structs.replace(tile, annotated=annotations.get(tile.tile_id)) for tile in tiles]


def _tiles(content: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if key.lower() in SPLIT_FOLDERS:
            yield from _tiles(value)
        elif isinstance(value, dict) and isinstance(value.get("label_counts"), dict):
            yield name_of(key), value


def _annotation(count: Any, areas: Any) -> Annotation | None:
    """Returns what is stated of one class; None if there is no region of it."""
    if not isinstance(count, int) or count < 1:
        return None
    pixels = [round(area) for area in areas if isinstance(area, int | float)] if isinstance(areas, list) else []
    return Annotation(count, max(pixels, default=0), sum(pixels))
