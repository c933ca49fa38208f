"""Tiles of a folder as maps: those of a field in their places, by their names; a tile without a place by itself.

Tiles are read, checked and asked about as `agrivision predict` does it, so that a tile's answer is the same.
"""

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from components.agrivision import parse_tile_id
from components.contracts import Inventory
from components.maps.grid import MapGrid
from components.maps.map_model import MapModel
from components.maps.map_plan import planned_grid
from components.maps.preview import Sampling
from components.maps.window_part import PreviewBlock, WindowPart, packed
from components.maps.windows import Axis, valid_cells
from components.ordered_map import map_in_order, num_threads_for
from components.predict.asking import BATCH_TILES
from components.predict.checked import checked_record, checks_of
from components.predict.tile_files import TileFiles
from components.records.image_header import DamagedImage, read_header
from components.records.tile_pixels import TilePixels, tile_pixels
from components.records.tile_record import Record


@dataclasses.dataclass(frozen=True)
class _Placed:
    """A tile and the first row and column of its window in its field, and the window's sides."""

    tile: TileFiles
    field: str
    top: int
    left: int
    height: int
    width: int


def field_jobs(tiles: Iterable[TileFiles], model: MapModel, source_uri: str) -> Iterator["FieldJob"]:
    """Yields the maps of a folder's tiles, which come sorted by name; the tiles of one field are in memory at a time.

    Raises:
      DataError: if a field has no tile that can be placed.
    """
    checks = checks_of(model.pushed.card.bands, model.max_16_bit)
    for _, some in itertools.groupby(tiles, key=_field_of):
        placed = [found for tile in some if (found := _placed(tile, checks)) is not None]
        if placed:
            yield FieldJob(placed, model, source_uri, checks)


def _field_of(tile: TileFiles) -> tuple[str, bool]:
    stem = tile.name.rpartition("/")[2]
    try:
        return parse_tile_id(stem).field_id, True
    except ValueError:
        return tile.name, False


def _placed(tile: TileFiles, checks: Inventory) -> _Placed | None:
    field, has_place = _field_of(tile)
    if has_place:
        at = parse_tile_id(tile.name.rpartition("/")[2])
        return _Placed(tile, field, at.y1, at.x1, at.y2 - at.y1, at.x2 - at.x1)
    record = checked_record(tile, checks)
    # One that cannot be read has a map of one cell, which says so.
    height, width = (1, 1) if isinstance(record, str) else _size(record)
    return _Placed(tile, field.replace("/", "-"), 0, 0, height, width)


def _size(record: Record) -> tuple[int, int]:
    header = read_header(record.rgb)
    return header.height, header.width


class FieldJob:
    """The map of the tiles of a field; see MapJob. A part has as many tiles as `predict` asks about at once."""

    unit = "tiles"

    def __init__(self, placed: Sequence[_Placed], model: MapModel, source_uri: str, checks: Inventory) -> None:
        self._checks = checks
        top, left = min(each.top for each in placed), min(each.left for each in placed)
        moved = [dataclasses.replace(each, top=each.top - top, left=each.left - left) for each in placed]
        self._placed = sorted(moved, key=lambda each: (each.top, each.left, each.tile.name))
        self._window_px = max(self._placed[0].height, self._placed[0].width)
        self.num_bands = model.num_bands
        self.plan = planned_grid(
            model,
            name=placed[0].field,
            source_uri=source_uri,
            fingerprint=_fingerprint(placed),
            height_px=max(each.top + each.height for each in moved),
            width_px=max(each.left + each.width for each in moved),
            window_px=self._window_px,
            tops=[each.top for each in self._placed[::BATCH_TILES]],
            origin_px=(left, top),
        )

    def parts(self, model: MapModel, wanted: Sequence[int]) -> Generator[tuple[int, WindowPart], None, None]:
        """See MapJob."""
        check = functools.partial(_read, self._checks)
        numbers = [number for part in wanted for number in self._numbers(part)]
        read = map_in_order(check, (self._placed[number] for number in numbers), num_threads_for(False))
        try:
            for part in wanted:
                count = len(self._numbers(part))
                yield part, self._part(model, list(itertools.islice(read, count)))
        finally:
            read.close()

    def num_windows(self, wanted: Sequence[int]) -> int:
        """See MapJob."""
        return sum(len(self._numbers(part)) for part in wanted)

    def _numbers(self, part: int) -> range:
        return range(part * BATCH_TILES, min((part + 1) * BATCH_TILES, len(self._placed)))

    def _part(self, model: MapModel, tiles: Sequence[tuple[_Placed, Record | str, TilePixels | None]]) -> WindowPart:
        problems: list[str] = []
        good: list[tuple[_Placed, Record, TilePixels]] = []
        for placed, record, decoded in tiles:
            if isinstance(record, str) or decoded is None:
                problems.append(f"{placed.tile.name!r}: {record}")
            elif why := self._misfit(placed, model.is_dense):
                problems.append(f"{placed.tile.name!r}: {why}")
            elif decoded.valid.any():
                good.append((placed, record, decoded))
        places, valid, answers, preview = [], [], [], []
        axes = Axis(self.plan.height_px, self.plan.cell_px), Axis(self.plan.width_px, self.plan.cell_px)
        replies = model.of_tiles([record for _, record, _ in good])
        for (placed, _, decoded), reply in zip(good, replies, strict=True):
            if isinstance(reply, str):
                problems.append(f"{placed.tile.name!r}: {reply}")
                continue
            place = (placed.top, placed.left)
            mask = _as_window(decoded.valid, placed, self._window_px)
            places.append(place)
            valid.append(packed(valid_cells(mask[..., 0], place, axes, self._window_px)))
            answers.append(reply)
            preview.append(_preview(placed, decoded, self.plan))
        return WindowPart(
            places=tuple(places),
            sides=(answers[0].shape[0], answers[0].shape[1]) if answers else (1, 1),
            answers=np.stack(answers).tobytes() if answers else b"",
            valid=tuple(valid),
            num_windows=len(tiles),
            num_left_out=len(problems),
            first_left_out=problems[0] if problems else "",
            preview=tuple(preview),
        )

    def _misfit(self, placed: _Placed, is_dense: bool) -> str:
        """Returns why a tile cannot be in the map of its field; empty if it can."""
        if max(placed.height, placed.width) != self._window_px:
            return f"its name has a window of {placed.width} x {placed.height} px, the others {self._window_px}"
        if is_dense and placed.height != placed.width:
            return f"it has {placed.width} x {placed.height} px; a model that says where needs a square"
        return ""


def _read(checks: Inventory, placed: _Placed) -> tuple[_Placed, Record | str, TilePixels | None]:
    record = checked_record(placed.tile, checks)
    if isinstance(record, str):
        return placed, record, None
    try:
        return placed, record, tile_pixels(record)
    except DamagedImage as error:
        return placed, str(error), None


def _as_window(pixels: NDArray[np.uint8], placed: _Placed, window_px: int) -> NDArray[np.uint8]:
    """Returns pixels [h, w, b] as a window, [window_px, window_px, b]; what a tile lacks does not count."""
    scaled = _scaled(pixels, placed)
    if scaled.shape[:2] == (window_px, window_px):
        return scaled
    window = np.zeros((window_px, window_px, pixels.shape[2]), np.uint8)
    window[: placed.height, : placed.width] = scaled
    return window


def _scaled(pixels: NDArray[np.uint8], placed: _Placed) -> NDArray[np.uint8]:
    """Returns pixels in the sides of the tile's window, by the nearest, if the file has others."""
    if pixels.shape[:2] == (placed.height, placed.width):
        return pixels
    rows, columns = (
        (np.arange(side) * 2 + 1) * pixels.shape[axis] // (2 * side)
        for axis, side in enumerate((placed.height, placed.width))
    )
    scaled: NDArray[np.uint8] = pixels[rows][:, columns]
    return scaled


def _preview(placed: _Placed, decoded: TilePixels, plan: MapGrid) -> PreviewBlock:
    bands = [decoded.rgb] if decoded.nir is None else [decoded.rgb, decoded.nir]
    parts, valid = [_scaled(band, placed) for band in bands], _scaled(decoded.valid, placed)
    return Sampling(plan.height_px, plan.width_px).block(parts, valid, placed.top, placed.left)


def _fingerprint(placed: Sequence[_Placed]) -> str:
    lines = [
        f"{each.tile.name}\0{role}\0{file.path}\0{file.num_bytes}\0{file.version}\n"
        for each in placed
        for role, file in sorted(each.tile.files.items())
    ]
    return hashlib.sha256("".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()
