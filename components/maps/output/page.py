"""The page of a map: the field with the classes on it, their areas, and what the map was made of."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components import report
from components.maps.grid import MapGrid, Quicklook
from components.maps.output.cells import NOT_SURE, YES, never_ruled_out
from components.maps.output.frame import OWN_UNITS, SQUARE_METRES, Frame
from components.maps.output.layers import COLOURS, NDVI_COLOURS, class_layer, ndvi_picture, rgb_picture
from components.maps.output.page_map import STYLE, ClassLayer, Ground, map_block, ramp
from components.maps.output.preview import Preview
from components.maps.output.region_file import Covered
from components.words import NOTHING, Number, as_size

_HECTARE_M2 = 10_000
_MOST_SHOWN = len(COLOURS)  # classes in the picture
_MOST_IN_SHORT = 4


def write_map_page(
    path: Path,
    grid: MapGrid,
    frame: Frame,
    quicklook: Quicklook,
    preview: Preview,
    covered: Sequence[dict[int, Covered]],
    files: Sequence[Path],
) -> None:
    """Writes the page.

    Args:
      path: Where.
      grid: What the map is.
      frame: Where it lies.
      quicklook: The source, made small.
      preview: The map, made small.
      covered: What each class covers, by answer.
      files: The other files of the map, which the page lists with their digests.
    """
    order = sorted(range(len(grid.classes)), key=lambda c: (-covered[c][YES].area, -covered[c][NOT_SURE].area, c))
    found = [c for c in order if covered[c][YES].num_found or covered[c][NOT_SURE].num_found]
    shown = found[:_MOST_SHOWN]
    ndvi = ndvi_picture(quicklook)
    ground = Ground(rgb_picture(quicklook), ndvi[0] if ndvi else "")
    layers = [_layer(c, rank, grid, frame, preview, covered[c]) for rank, c in enumerate(shown)]
    width_m = frame.cell_m * frame.width if frame.cell_m else None
    blocks = [
        report.paragraph(_in_short(grid, frame, preview, covered, found)),
        map_block(ground, layers[::-1], quicklook.valid.shape, width_m),
        *([ramp(NDVI_COLOURS, *ndvi[1:])] if ndvi else []),
        report.paragraph(_how_to_read(grid, frame, len(found) - len(shown), ndvi is not None)),
        report.heading("Area by class"),
        _areas(grid, frame, preview, covered, order),
        report.paragraph(_about_areas(grid, frame, covered)),
        report.heading("What this map was made of"),
        report.table(["", ""], _facts(grid, frame, preview)),
        *map(report.paragraph, frame.notes),
        report.heading("Files"),
        report.table(["file", "size", "sha256"], [_file_row(file) for file in files]),
    ]
    report.write_page(path, f"Map of {grid.name}", blocks, STYLE)


def _layer(c: int, rank: int, grid: MapGrid, frame: Frame, preview: Preview, covered: dict[int, Covered]) -> ClassLayer:
    # Up to nine classes keep their colours from map to map.
    colour = COLOURS[c if len(grid.classes) <= len(COLOURS) else rank]
    has = {answer: covered[answer].num_found > 0 for answer in (YES, NOT_SURE)}
    return ClassLayer(
        name=grid.classes[c],
        colour=colour,
        remark=_amount(frame, covered[YES].area) if has[YES] else "not sure only",
        yes=class_layer(preview.shares(c, YES), colour, is_hatched=False) if has[YES] else "",
        unsure=class_layer(preview.shares(c, NOT_SURE), colour, is_hatched=True) if has[NOT_SURE] else "",
    )


def _in_short(
    grid: MapGrid, frame: Frame, preview: Preview, covered: Sequence[dict[int, Covered]], found: Sequence[int]
) -> str:
    judged = preview.judged_area
    if judged <= 0:
        return "Nothing of this source could be judged: no pixel of it counts."
    text = f"Of {_amount(frame, judged)} judged, {_amount(frame, preview.found_area)}"
    text += f" ({_share(preview.found_area, judged)}) shows at least one class"
    if grid.no_below is not None:
        text += f"; of another {_amount(frame, preview.open_area)} ({_share(preview.open_area, judged)})"
        text += " the model is not sure"
    largest = [c for c in found if covered[c][YES].num_found][:_MOST_IN_SHORT]
    named = ", ".join(f"{grid.classes[c]} {_amount(frame, covered[c][YES].area)}" for c in largest)
    return f"{text}. Largest: {named}." if named else f"{text}."


def _how_to_read(grid: MapGrid, frame: Frame, num_hidden: int, has_ndvi: bool) -> str:
    a, b, _, d, e, _ = frame.transform
    north = "North is up. " if frame.unit == SQUARE_METRES and b == d == 0 and a > 0 > e else ""
    text = f"{north}Tick a class to show or hide it; classes may overlap."
    if not grid.is_dense:
        text += " The model gives one answer for each window, so outlines are rough: they show where to look."
    if num_hidden:
        text += f" The picture has the {_MOST_SHOWN} largest classes; {num_hidden} more are in the table."
    if has_ndvi:
        text += " NDVI is of pixel values, not of reflectances: compare it within this picture only."
    return text


def _areas(
    grid: MapGrid, frame: Frame, preview: Preview, covered: Sequence[dict[int, Covered]], order: Sequence[int]
) -> str:
    unit, whole, endless = _unit(frame), preview.judged_area, never_ruled_out(grid)
    has_unsure = grid.no_below is not None
    rows = []
    for c in order:
        yes, unsure = covered[c][YES], covered[c][NOT_SURE]
        threshold = NOTHING if grid.thresholds is None else Number(f"{grid.thresholds[c]:.2f}")
        row: list[object] = [grid.classes[c], _number(frame, yes.area), _share(yes.area, whole)]
        if has_unsure:
            is_endless = grid.classes[c] in endless
            row += [NOTHING, NOTHING] if is_endless else [_number(frame, unsure.area), _share(unsure.area, whole)]
        rows.append((*row, yes.num_kept, threshold))
    unsure_header = [f"not sure, {unit}", "not sure, %"] if has_unsure else []
    return report.table(["class", f"yes, {unit}", "yes, %", *unsure_header, "regions", "yes from"], rows, stacked=True)


def _about_areas(grid: MapGrid, frame: Frame, covered: Sequence[dict[int, Covered]]) -> str:
    text = "%: of the area that was judged; classes may overlap, so it need not add up to 100. "
    if grid.thresholds is not None:
        text += "yes from: the lowest probability that counts as a yes. "
    if endless := never_ruled_out(grid):
        text += (
            f"Of {', '.join(endless)} the model never says no, because too few fields had it when it was evaluated: "
            "it is not sure wherever it does not say yes. "
        )
    text += frame.how_measured
    every = [of for by_answer in covered for of in by_answer.values()]
    parts = [
        (sum(of.num_small for of in every), "that are too small"),
        (sum(of.num_beyond for of in every), "beyond the largest ones"),
        (sum(of.num_intricate for of in every), "with too many corners"),
    ]
    if left_out := ", ".join(f"{number:,} {what}" for number, what in parts if number):
        area = _amount(frame, sum(of.left_out_area for of in every))
        text += f" The GeoJSON is without regions {left_out} ({area} together); areas here count them."
    return text


def _facts(grid: MapGrid, frame: Frame, preview: Preview) -> list[tuple[str, str]]:
    cell = f"{grid.cell_px:,} px" + (f", {frame.cell_m:.3g} m" if frame.cell_m else "")
    rows = [
        ("model", grid.model_version),
        ("source", grid.source_uri),
        ("size", f"{grid.width_px:,} x {grid.height_px:,} px"),
        ("cell of the map", cell),
        ("asked", f"{grid.num_asked:,} of {grid.num_windows:,} windows of {grid.window_px:,} px"),
        ("not judged", f"{grid.nodata_px:,} px ({_share(grid.nodata_px, grid.width_px * grid.height_px)})"),
    ]
    if grid.num_left_out:
        rows.append(("tiles left out", f"{grid.num_left_out:,}; the first: {grid.first_left_out}"))
    if frame.crs:
        rows.append(("reference system", _crs_name(frame.crs)))
    if frame.is_lonlat:
        ((longitude, latitude),) = frame.points(np.array([frame.width / 2]), np.array([frame.height / 2])).tolist()
        north, east = "NS"[latitude < 0], "EW"[longitude < 0]
        rows.append(("centre", f"{abs(latitude):.5f}° {north}, {abs(longitude):.5f}° {east}"))
    return rows


def _file_row(file: Path) -> tuple[str, str, str]:
    with file.open("rb") as opened:
        return file.name, as_size(file.stat().st_size), hashlib.file_digest(opened, "sha256").hexdigest()


def _crs_name(wkt: str) -> str:
    match = re.match(r'\s*\w+\["([^"]*)"', wkt)
    return match[1] if match else "without a name"


def _unit(frame: Frame) -> str:
    return {SQUARE_METRES: "ha", OWN_UNITS: "squared units"}.get(frame.unit, "px")


def _number(frame: Frame, area: float) -> Number:
    if frame.unit == SQUARE_METRES:
        return Number(f"{area / _HECTARE_M2:,.2f}" if area >= _HECTARE_M2 / 10 or not area else f"{area / 1e4:.4f}")
    return Number(f"{area:,.0f}")


def _amount(frame: Frame, area: float) -> str:
    if frame.unit == SQUARE_METRES and 0 < area < _HECTARE_M2 / 100:
        return f"{area:,.0f} m²"
    return f"{_number(frame, area)} {_unit(frame)}"


def _share(part: float, whole: float) -> Number:
    share = part / whole if whole > 0 else 0.0
    return Number(f"{share:.1%}" if share == 0 or share >= 0.001 else "< 0.1%")
