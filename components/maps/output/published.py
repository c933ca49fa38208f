"""Which map a folder holds already: its page carries a key, so that another map is refused before any work is done."""

import hashlib
import json
import re

import msgspec

from components import storage
from components.errors import SettingsError
from components.maps.grid import MapGrid
from components.maps.output.file_names import file_names
from components.maps.settings import RegionSettings

_KEY = re.compile(rb"<!-- map ([0-9a-f]{64}) -->")


def key_line(grid: MapGrid, settings: RegionSettings) -> str:
    """Returns the line of a page that says which map it is: of which source, model, windows and limits of regions."""
    return f"<!-- map {_key(grid, settings)} -->"


def published(grid: MapGrid, target_uri: str, settings: RegionSettings) -> list[str]:
    """Returns where the files of a map are if they are published, the page last; none if they are not.

    Args:
      grid: The map, finished or planned.
      target_uri: A folder or a gs:// URI.
      settings: Which regions become polygons.

    Raises:
      SettingsError: if another map has its place.
    """
    names = file_names(grid.name, grid.classes)
    uri = storage.join(target_uri, names.name)
    page = storage.join(uri, names.page)
    if not storage.exists(page):
        return []
    found = _KEY.search(storage.read_bytes(page))
    if found is None:  # of an earlier version of this project: pages are compared when this one is made
        return []
    if found[1].decode() != _key(grid, settings):
        raise another_map(uri)
    there = {file.path for file in storage.list_files(uri)}
    others = sorted(name for name in (names.geojson, names.tiff, *names.pngs) if name in there)
    return [storage.join(uri, name) for name in (*others, names.page)]


def another_map(uri: str) -> SettingsError:
    """Returns the error for a place that is taken."""
    return SettingsError(
        f"another map is in {uri!r}: of other data, another model or other settings; write to another place, or "
        "remove that folder"
    )


def _key(grid: MapGrid, settings: RegionSettings) -> str:
    # What is known before the model is asked. Where source and model are says nothing of what they are.
    known = [
        *(grid.name, grid.fingerprint, grid.model_version, grid.width_px, grid.height_px, grid.origin_px),
        *(grid.cell_px, grid.window_px, grid.stride_px, [part.top_px for part in grid.parts]),
        *(grid.transform, grid.crs_wkt, grid.classes, grid.thresholds, grid.no_below, grid.is_dense),
        msgspec.to_builtins(settings),
    ]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()
