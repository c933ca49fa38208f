"""Maps of fields in the data report: each tile of a field in its place, in the window it was cut from."""

import concurrent.futures
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from components import report, storage
from components.agrivision import CLASS_FOLDERS, TileId, parse_tile_id
from components.contracts import Inventory, SourceFile, SourceTile
from components.dataset.field_table import FieldTable
from components.records import source_image
from components.records.source_image import BadImage
from components.records.source_mask import decode_mask

_SPLITS_SHOWN = ("train", "test")  # one field from each
_MAX_TILES = 48  # per field; each is read again from the source, and more would be too small to see
_SIDE_PX = 640
_GROUND, _EDGE, _LINE = (236, 240, 237), (30, 40, 34), (255, 255, 255)
_OPACITY = np.uint8(160)
_NUM_THREADS = 16  # each waits for a file of the source
# Distinct on grey for colour-blind readers (after Okabe & Ito 2008 and Tol 2021); a field has few classes.
_COLOURS = ("#e69f00", "#56b4e9", "#cc79a7", "#f0e442", "#0072b2", "#d55e00", "#009e73", "#6a51e6", "#bbcc33")


@dataclasses.dataclass(frozen=True)
class ShownField:
    """A field to show; `classes` are the classes of its tiles."""

    field_id: str
    split: str
    classes: tuple[str, ...]


def choose_fields(fields: FieldTable) -> list[ShownField]:
    """Returns one field from each split shown: the one with the most classes, then the most tiles."""
    chosen = []
    num_tiles, num_classes = fields.num_tiles, fields.num_classes()
    for split in _SPLITS_SHOWN:
        rows = np.flatnonzero(fields.is_in(split) & (num_tiles > 1) & (num_tiles <= _MAX_TILES))
        if len(rows):
            rows = rows[num_classes[rows] == num_classes[rows].max()]
            rows = rows[num_tiles[rows] == num_tiles[rows].max()]
            best = max(rows.tolist(), key=lambda row: fields.names[row])
            chosen.append(ShownField(fields.names[best], split, tuple(sorted(fields.classes_of(best)[0]))))
    return chosen


def field_map_blocks(
    chosen: Sequence[ShownField], tiles: Mapping[str, Sequence[SourceTile]], inventory: Inventory
) -> list[str]:
    """Returns the blocks of the section; empty if there is no field to show.

    Args:
      chosen: From choose_fields.
      tiles: The good tiles by field; if the source no longer has a tile, its window stays empty.
    """
    blocks = []
    for field in chosen:
        windows = [(window, tile) for tile in tiles.get(field.field_id, ()) if (window := _window(tile)) is not None]
        if windows:
            windows.sort(key=lambda item: (item[0].y1, item[0].x1))
            blocks += _map(field, windows, inventory)
    if not blocks:
        return []
    text = (
        "One field each from train and test, with every tile in its place. Windows overlap, so a field is in one split."
    )
    return [report.heading("Fields and their windows"), report.paragraph(text), *blocks]


def _window(tile: SourceTile) -> TileId | None:
    try:
        return parse_tile_id(tile.tile_id)
    except ValueError:
        return None  # a tile of a class folder has no window


def _map(field: ShownField, windows: Sequence[tuple[TileId, SourceTile]], inventory: Inventory) -> list[str]:
    left, top = min(w.x1 for w, _ in windows), min(w.y1 for w, _ in windows)
    width, height = max(w.x2 for w, _ in windows) - left, max(w.y2 for w, _ in windows) - top
    scale = _SIDE_PX / max(width, height)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    bands, labels = Image.new("RGB", size, _GROUND), Image.new("RGB", size, _GROUND)
    contents = _contents([tile for _, tile in windows], field.classes, inventory.source_uri)
    boxes = []
    modes = source_image.ANY_COLOUR_MODES if inventory.layout == CLASS_FOLDERS else source_image.RGB_MODES
    for window, tile in windows:
        x1, y1, x2, y2 = (
            round((edge - origin) * scale)
            for edge, origin in ((window.x1, left), (window.y1, top), (window.x2, left), (window.y2, top))
        )
        boxes.append((x1, y1, max(x2 - 1, x1), max(y2 - 1, y1)))
        rgb = _rgb(contents.get(tile.rgb), modes, (max(x2 - x1, 1), max(y2 - y1, 1)))
        if rgb is not None:
            bands.paste(rgb, (x1, y1))
            areas = {name: contents[file] for name, file in tile.labels.items() if file in contents}
            labels.paste(_labelled(rgb, areas, inventory.classes), (x1, y1))
    for picture in (bands, labels):
        draw = ImageDraw.Draw(picture)
        for x1, y1, x2, y2 in boxes:  # a light line with dark edges shows on any ground
            draw.rectangle((x1, y1, x2, y2), outline=_EDGE, width=3)
            draw.rectangle((x1 + 1, y1 + 1, max(x2 - 1, x1 + 1), max(y2 - 1, y1 + 1)), outline=_LINE)
    pictures, names = [(np.asarray(bands), "RGB")], []
    if any(tile.labels for _, tile in windows):  # otherwise a class is given for the whole tile
        pictures.append((np.asarray(labels), "labels"))
        names.append(report.legend([(_colour(name, inventory.classes), name) for name in field.classes]))
    return [
        report.subheading(field.field_id, f"{field.split}, {len(windows)} windows in {width:,} x {height:,} px"),
        report.gallery(pictures, wide=True),
        *names,
    ]


def _contents(tiles: Sequence[SourceTile], classes: Sequence[str], source_uri: str) -> dict[SourceFile, bytes]:
    """Returns the content of the tiles' RGB and label files, without the files that are gone."""
    files = [tile.rgb for tile in tiles]
    files += [tile.labels[name] for tile in tiles for name in classes if name in tile.labels]

    def read(file: SourceFile) -> bytes | None:
        try:
            return storage.read_bytes(storage.join(source_uri, file.path))
        except OSError:
            return None

    with concurrent.futures.ThreadPoolExecutor(_NUM_THREADS) as pool:
        return {file: content for file, content in zip(files, pool.map(read, files), strict=True) if content}


def _colour(name: str, classes: Sequence[str]) -> str:
    return _COLOURS[list(classes).index(name) % len(_COLOURS)]


def _rgb(content: bytes | None, modes: Sequence[str], size: tuple[int, int]) -> Image.Image | None:
    try:
        pixels = source_image.decode_bands(content or b"", 3, modes)
    except BadImage:
        return None
    return Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=2)


def _labelled(rgb: Image.Image, areas: Mapping[str, bytes], classes: Sequence[str]) -> Image.Image:
    """Returns the tile in grey with its classes in colour; `areas` has their masks as PNG."""
    picture = rgb.convert("L").convert("RGB")
    for name, content in sorted(areas.items()):
        try:
            mask = decode_mask(content)
        except BadImage:
            continue
        opacity = Image.fromarray(mask.astype(np.uint8) * _OPACITY).resize(rgb.size, Image.Resampling.NEAREST)
        picture.paste(Image.new("RGB", rgb.size, _colour(name, classes)), mask=opacity)
    return picture
