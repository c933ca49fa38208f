"""What is known of a map before the model is asked: its grid, and the places of its parts."""

import hashlib
from collections.abc import Sequence

from components.maps.grid import MapGrid, MapPart, Transform
from components.maps.map_model import MapModel
from components.maps.output.file_names import file_names
from components.maps.windows import CELLS_A_WINDOW
from components.maps.work_folder import part_name
from components.printable import printable

_UNKNOWN = hashlib.sha256(b"").hexdigest()  # of what is not written yet


def cell_px_of(model: MapModel, window_px: int) -> int:
    """Returns the side of a cell, pixels."""
    return 1 if model.is_dense else max(window_px // CELLS_A_WINDOW, 1)


def planned_grid(
    model: MapModel,
    *,
    name: str,
    source_uri: str,
    fingerprint: str,
    height_px: int,
    width_px: int,
    window_px: int,
    stride_px: int = 0,
    tops: Sequence[int],
    origin_px: tuple[int, int] = (0, 0),
    transform: Transform | None = None,
    crs_wkt: str = "",
) -> MapGrid:
    """Returns the description of a map that is still to be made; see MapGrid.

    Args:
      tops: For each part, the first row of its first window; ascending.

    Raises:
      SettingsError: if the files of a map cannot be called `name`.
    """
    card = model.pushed.card
    file_names(name, card.classes)  # now, not when all the windows have been asked about
    cell_px = cell_px_of(model, window_px)
    return MapGrid(
        name=printable(name),
        source_uri=source_uri,
        fingerprint=fingerprint,
        width_px=width_px,
        height_px=height_px,
        origin_px=origin_px,
        cell_px=cell_px,
        columns=-(-width_px // cell_px),
        rows=-(-height_px // cell_px),
        window_px=window_px,
        stride_px=stride_px,
        transform=transform,
        crs_wkt=crs_wkt,
        classes=card.classes,
        thresholds=model.thresholds,
        no_below=model.no_below,
        is_dense=model.is_dense,
        model_version=card.version,
        model_uri=model.pushed.uri,
        num_windows=0,
        num_asked=0,
        parts=tuple(MapPart(name=part_name(number), sha256=_UNKNOWN, top_px=top) for number, top in enumerate(tops)),
        quicklook_sha256=_UNKNOWN,
    )
