"""The page of a map: the field with the classes on it, their areas, and what the map was made of."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components import report
from components.maps.grid import MapGrid, Quicklook
from components.maps.output.amounts import Amounts, share_of
from components.maps.output.cells import NOT_SURE, YES, never_ruled_out
from components.maps.output.frame import SQUARE_METRES, Frame
from components.maps.output.layers import COLOURS, NDVI_COLOURS, class_layer, ndvi_picture, rgb_picture
from components.maps.output.page_map import STYLE, ClassLayer, Ground, map_block
from components.maps.output.preview import Preview
from components.maps.output.region_file import RegionFile
from components.words import NOTHING, Number, as_size

_MOST_SHOWN = len(COLOURS)  # classes in the picture
_MOST_IN_SHORT = 4


def write_map_page(
    path: Path,
    grid: MapGrid,
    frame: Frame,
    quicklook: Quicklook,
    preview: Preview,
    regions: RegionFile,
    files: Sequence[Path],
    key: str = "",
) -> None:
    """Writes the page.

    Args:
      path: Where.
      grid: What the map is.
      frame: Where it lies.
      quicklook: The source, made small.
      preview: The map, made small.
      regions: The file of regions, after it was written.
      files: The other files of the map, which the page lists with their digests.
      key: A line of HTML that says which map it is; see published.py.
    """
    amounts = Amounts(frame.unit, preview.judged_area)
    yes, unsure = preview.areas[YES], preview.areas[NOT_SURE]
    order = sorted(range(len(grid.classes)), key=lambda c: (-yes[c], -unsure[c], c))
    found = [c for c in order if yes[c] or unsure[c]]
    absent = [c for c in order if c not in found]
    ndvi = ndvi_picture(quicklook)
    ground = Ground(rgb_picture(quicklook), *(ndvi or ("", 0.0, 0.0)), NDVI_COLOURS)
    # The largest is at the bottom, or it would hide the others.
    layers = [_layer(c, rank, grid, preview, amounts) for rank, c in enumerate(found[:_MOST_SHOWN])]
    width_m = frame.cell_m * frame.width if frame.cell_m else None
    blocks = [
        report.paragraph(_in_short(grid, preview, found, amounts)),
        map_block(ground, layers, quicklook.valid.shape, width_m),
        report.paragraph(_how_to_read(grid, frame, len(found) - len(layers), ndvi is not None)),
        report.heading("Area by class"),
        *([_areas(grid, preview, regions, found, amounts)] if found else []),
        *([_absent(grid, absent)] if absent else []),
        *map(report.paragraph, _about_areas(grid, frame, regions, amounts)),
        report.heading("What this map was made of"),
        report.table(["", ""], _facts(grid, frame)),
        *map(report.paragraph, frame.notes),
        report.heading("Files"),
        report.table(["file", "size"], [_file_row(file) for file in files]),
        key,
    ]
    report.write_page(path, f"Map of {grid.name}", blocks, STYLE)


def _layer(c: int, rank: int, grid: MapGrid, preview: Preview, amounts: Amounts) -> ClassLayer:
    # Up to nine classes keep their colours from map to map.
    colour = COLOURS[c if len(grid.classes) <= len(COLOURS) else rank]
    yes, unsure = (preview.areas[answer][c] for answer in (YES, NOT_SURE))
    return ClassLayer(
        name=grid.classes[c],
        colour=colour,
        remark=amounts.text(yes) if yes else "not sure only",
        yes=class_layer(preview.shares(c, YES), colour, is_hatched=False) if yes else "",
        unsure=class_layer(preview.shares(c, NOT_SURE), colour, is_hatched=True) if unsure else "",
    )


def _in_short(grid: MapGrid, preview: Preview, found: Sequence[int], amounts: Amounts) -> str:
    if amounts.whole <= 0:
        return "Nothing of this source could be judged: none of its pixels counts."
    text = f"Of {amounts.text(amounts.whole)} judged, {amounts.text(preview.found_area)}"
    text += f" ({amounts.share(preview.found_area)}) show at least one class"
    if grid.no_below is not None and len(never_ruled_out(grid)) < len(grid.classes):
        text += f"; for another {amounts.text(preview.open_area)} ({amounts.share(preview.open_area)})"
        text += " the model is not sure"
    largest = [c for c in found if preview.areas[YES][c]][:_MOST_IN_SHORT]
    named = ", ".join(f"{grid.classes[c]} {amounts.text(preview.areas[YES][c])}" for c in largest)
    return f"{text}. Largest: {named}." if named else f"{text}."


def _how_to_read(grid: MapGrid, frame: Frame, num_hidden: int, has_ndvi: bool) -> str:
    a, b, _, d, e, _ = frame.transform
    north = "North is up. " if frame.unit == SQUARE_METRES and b == d == 0 and a > 0 > e else ""
    text = f"{north}Tick a class to show or hide it; classes may overlap."
    text += " Faded: outside of the boundary, or without data."
    if not grid.is_dense:
        text += " The model gives one answer for each window, so outlines are rough: they show where to look."
    if num_hidden:
        text += f" The picture has the {_MOST_SHOWN} largest classes; {num_hidden} more are in the table."
    if has_ndvi:
        text += " NDVI is of pixel values, not of reflectances: compare it within this picture only."
    return text


def _areas(grid: MapGrid, preview: Preview, regions: RegionFile, found: Sequence[int], amounts: Amounts) -> str:
    unit, endless = amounts.unit_name, never_ruled_out(grid)
    rows = []
    for c in found:
        yes, unsure = (preview.areas[answer][c] for answer in (YES, NOT_SURE))
        row: list[object] = [grid.classes[c], amounts.number(yes), amounts.share(yes)]
        if grid.no_below is not None:
            is_endless = grid.classes[c] in endless
            row += [NOTHING, NOTHING] if is_endless else [amounts.number(unsure), amounts.share(unsure)]
        rows.append((*row, regions.covered[c][YES].num_kept, _threshold(grid, c)))
    of_unsure = [f"not sure, {unit}", "not sure, %"] if grid.no_below is not None else []
    return report.table(["class", f"yes, {unit}", "yes, %", *of_unsure, "regions", "yes from"], rows, stacked=True)


def _absent(grid: MapGrid, absent: Sequence[int]) -> str:
    rows = [(grid.classes[c], _threshold(grid, c)) for c in absent]
    classes = f"{len(absent)} class{'' if len(absent) == 1 else 'es'}"
    return report.folded("Found nowhere", classes, [report.table(["class", "yes from"], rows)])


def _threshold(grid: MapGrid, c: int) -> Number:
    return NOTHING if grid.thresholds is None else Number(f"{grid.thresholds[c]:.2f}")


def _about_areas(grid: MapGrid, frame: Frame, regions: RegionFile, amounts: Amounts) -> list[str]:
    text = "Shares are of the area that was judged; classes may overlap, so they need not add up to 100%. "
    if grid.thresholds is None:
        text += "Each place shows the class that is the most probable there. "
    else:
        text += '"Yes from" is the lowest probability that counts as a yes. '
    if grid.no_below is not None:
        text += '"Not sure" is too improbable for a yes, too probable for a no that could be relied on; go and look. '
    texts = [text + frame.how_measured]
    if grid.cell_px > 1:
        texts.append("Areas are of whole cells, also where a cell reaches beyond the boundary or the data.")
    if endless := never_ruled_out(grid):
        texts.append(
            f"Of {', '.join(endless)} the model never says no, because too few fields had it when the model was "
            "evaluated: it is not sure wherever it does not say yes. The picture and the GeoJSON do not show that."
        )
    if regions.side > 1:
        texts.append(
            f"The map is so large that outlines in the GeoJSON follow squares of {regions.side * grid.cell_px} px: "
            "what is thinner may be missing there."
        )
    every = [of for by_answer in regions.covered for of in by_answer.values()]
    parts = [
        (sum(of.num_small for of in every), "too small"),
        (sum(of.num_beyond for of in every), "beyond the largest"),
        (sum(of.num_intricate for of in every), "with too many corners"),
    ]
    if left_out := ", ".join(f"{number:,} {why}" for number, why in parts if number):
        area = amounts.text(sum(of.left_out_area for of in every))
        texts.append(f"Regions left out of the GeoJSON: {left_out}; {area} together. The areas here count them.")
    return texts


def _facts(grid: MapGrid, frame: Frame) -> list[tuple[str, str]]:
    num_px = grid.width_px * grid.height_px
    rows = [
        ("model", grid.model_version),
        ("source", grid.source_uri),
        ("size", f"{grid.width_px:,} x {grid.height_px:,} px"),
        ("cell of the map", f"{grid.cell_px:,} px" + (f", {frame.cell_m:.3g} m" if frame.cell_m else "")),
        ("asked", f"{grid.num_asked:,} of {grid.num_windows:,} windows of {grid.window_px:,} px"),
        ("not judged", f"{grid.nodata_px:,} px ({share_of(grid.nodata_px, num_px)})"),
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


def _file_row(file: Path) -> tuple[tuple[str, str], Number]:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return (file.name, f"sha256 {digest}"), Number(as_size(file.stat().st_size).replace(" ", "\u00a0"))


def _crs_name(wkt: str) -> str:
    match = re.match(r'\s*\w+\["([^"]*)"', wkt)
    return match[1] if match else "without a name"
