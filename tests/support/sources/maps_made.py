"""Maps for tests: what a finished map is, with values that the test gives."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.maps.grid import MapGrid, MapReader, Quicklook, Strip

SHA256 = "0123456789abcdef" * 4


def map_grid(rows: int, columns: int, classes: tuple[str, ...] = ("water", "weed_cluster"), **changes: Any) -> MapGrid:
    """Returns a map of one cell a pixel without a georeference, unless `changes` say otherwise."""
    cell_px = changes.get("cell_px", 1)
    given = {
        "name": "north",
        "source_uri": "fields/north.tif",
        "fingerprint": SHA256,
        "width_px": columns * cell_px,
        "height_px": rows * cell_px,
        "cell_px": 1,
        "columns": columns,
        "rows": rows,
        "window_px": 512,
        "classes": classes,
        "thresholds": (0.5,) * len(classes),
        "is_dense": True,
        "model_version": "20260131-0123456789ab",
        "model_uri": "models/versions/20260131-0123456789ab",
        "num_windows": 4,
        "num_asked": 3,
        "parts": (),
        "quicklook_sha256": SHA256,
    }
    return MapGrid(**{**given, **changes})


def quicklook(height: int = 8, width: int = 8, *, has_nir: bool = True) -> Quicklook:
    """Returns a preview with some of everything: its left column was not judged."""
    rgb = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    ndvi = np.linspace(-1, 1, height * width, dtype=np.float32).reshape(height, width)
    valid = np.ones((height, width), np.bool_)
    valid[:, 0] = False
    return Quicklook(rgb, ndvi if has_nir else None, valid)


def map_reader(
    grid: MapGrid,
    probabilities: NDArray[Any],
    valid: NDArray[np.bool_] | None = None,
    strip_rows: int = 7,
    preview: Quicklook | None = None,
) -> MapReader:
    """Returns a map with these values, [rows, columns, C], which come in strips of so many rows."""
    judged = np.ones((grid.rows, grid.columns), np.bool_) if valid is None else valid

    def strips():  # type: ignore[no-untyped-def]
        for row in range(0, grid.rows, strip_rows):
            mask = judged[row : row + strip_rows]
            yield Strip(row, (probabilities[row : row + strip_rows] * mask[..., None]).astype(np.float32), mask)

    return MapReader(grid, strips, lambda: preview or quicklook())
