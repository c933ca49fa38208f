"""The working folder of a map: files of answers, each written once, and in the end `map.json`.

Its name says what the answers follow from: the source as it was, the model, and the windows. So a run that was killed
goes on where it was, a source that has changed starts anew, and two runs at once write the same bytes to the same
names.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator

import msgspec

from components import storage
from components.errors import DataError, SettingsError
from components.maps.blending import blend
from components.maps.grid import MAP, QUICKLOOK, MapGrid, MapPart, MapReader, Quicklook, Strip
from components.maps.preview import PreviewCanvas, Sampling, read_quicklook
from components.maps.window_part import MAX_PART_BYTES, WindowPart, read_part
from components.safe_path import require_safe_path
from components.storage import NoSuchFolder

WORK = "_work"  # below the target
_PART = re.compile(r"part-[0-9]{6,}\.answers")


class WorkFolder:
    """The working folder of one map.

    Attributes:
      uri: Where it is: `<target>/_work/<name>-<digest>`.
      plan: The map as far as it is known before the model is asked: parts have no digest yet.
    """

    def __init__(self, target_uri: str, plan: MapGrid) -> None:
        self.plan = plan
        # Where source and model are says nothing of what they are.
        content = msgspec.to_builtins(msgspec.structs.replace(plan, source_uri="", model_uri=""))
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        if plan.name == WORK:
            raise SettingsError(f"the map of {plan.source_uri!r} cannot be called {WORK!r}; rename the source")
        folder = require_safe_path(f"{plan.name}-{digest[:16]}", f"the map of {plan.source_uri!r}")
        self.uri = storage.join(target_uri, WORK, folder)

    def done(self) -> frozenset[str]:
        """Returns the names of the parts that are there."""
        try:
            names = {file.path for file in storage.list_files(self.uri)}
        except NoSuchFolder:
            return frozenset()
        return frozenset(name for name in names if _PART.fullmatch(name))

    def write(self, number: int, part: WindowPart) -> None:
        """Writes a part, unless it is there."""
        _write_once(storage.join(self.uri, part_name(number)), part.to_bytes())

    def finish(self, num_bands: int) -> MapReader:
        """Writes the preview and `map.json`, unless they are there, and returns the map.

        Args:
          num_bands: Of the preview.

        Raises:
          DataError: if a part is missing or damaged.
        """
        uri = storage.join(self.uri, MAP)
        if not storage.exists(uri):
            canvas = PreviewCanvas(Sampling(self.plan.height_px, self.plan.width_px), num_bands)
            num_windows = num_asked = nodata_px = num_left_out = 0
            first_left_out, parts = "", []
            for planned in self.plan.parts:
                origin = storage.join(self.uri, planned.name)
                content = _read(origin)
                part = read_part(content, origin, len(self.plan.classes))
                canvas.add(part, origin)
                parts.append(msgspec.structs.replace(planned, sha256=hashlib.sha256(content).hexdigest()))
                num_windows, num_asked = num_windows + part.num_windows, num_asked + len(part.places)
                nodata_px, num_left_out = nodata_px + part.nodata_px, num_left_out + part.num_left_out
                first_left_out = first_left_out or part.first_left_out
            quicklook = canvas.to_bytes()
            _write_once(storage.join(self.uri, QUICKLOOK), quicklook)
            grid = msgspec.structs.replace(
                self.plan,
                num_windows=num_windows,
                num_asked=num_asked,
                nodata_px=nodata_px,
                num_left_out=num_left_out,
                first_left_out=first_left_out,
                parts=tuple(parts),
                quicklook_sha256=hashlib.sha256(quicklook).hexdigest(),
            )
            _write_once(uri, grid.to_json())
        return open_map(self.uri)


def _write_once(uri: str, content: bytes) -> None:
    if storage.is_remote(uri):
        storage.write_once(uri, content)
    # Whoever else writes here writes the same, so it takes no lock, whose file would stay.
    elif not storage.exists(uri):
        storage.write_bytes(uri, content)


def part_name(number: int) -> str:
    """Returns the name of a part's file."""
    return f"part-{number:06}.answers"


def open_map(uri: str) -> MapReader:
    """Returns the finished map in a working folder.

    Raises:
      DataError: if there is none.
    """
    origin = storage.join(uri, MAP)
    grid = MapGrid.from_json(_read(origin), origin)
    if min(grid.columns, grid.rows, grid.cell_px, grid.window_px, len(grid.classes), len(grid.parts)) < 1:
        raise DataError(f"{origin!r} is no map; delete it and run again")

    def strips() -> Iterator[Strip]:
        return blend(grid, (_verified_part(uri, part, grid) for part in grid.parts))

    def quicklook() -> Quicklook:
        place = storage.join(uri, QUICKLOOK)
        return read_quicklook(_verified(place, grid.quicklook_sha256, _read), place)

    return MapReader(grid, strips, quicklook)


def _verified_part(uri: str, part: MapPart, grid: MapGrid) -> WindowPart:
    place = storage.join(uri, part.name)
    return read_part(_verified(place, part.sha256, _read), place, len(grid.classes))


def _verified(place: str, sha256: str, read: Callable[[str], bytes]) -> bytes:
    content = read(place)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"{place!r} is not what it was when the map was finished; delete its folder and run again")
    return content


def _read(place: str) -> bytes:
    size = storage.size(place)
    if size is None:
        raise DataError(f"{place!r} is missing; run the same command again, which makes it again")
    if size > MAX_PART_BYTES:
        raise DataError(f"{place!r} has {size:,} bytes, at most {MAX_PART_BYTES:,} are read; delete it and run again")
    return storage.read_bytes(place)
