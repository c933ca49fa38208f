"""One map to be made: its working folder, and what makes its parts."""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from components.maps.grid import MapGrid
from components.maps.map_model import MapModel
from components.maps.map_plan import cell_px_of, planned_grid
from components.maps.raster_file import Raster
from components.maps.raster_windows import RasterWindows
from components.maps.unit import AskedUnit
from components.maps.window_part import WindowPart
from components.maps.windows import Axis, stride_of


class MapJob(Protocol):
    """One map to be made.

    Attributes:
      plan: Its grid; the working folder follows from it.
      num_bands: Of the preview.
      unit: What its windows are called, in the plural.
    """

    plan: MapGrid
    num_bands: int
    unit: str

    def num_windows(self, wanted: Sequence[int]) -> int:
        """Returns how many windows some parts have."""
        ...

    def parts(self, model: MapModel, wanted: Sequence[int]) -> Generator[tuple[int, WindowPart], None, None]:
        """Asks the model about parts, and yields each with its number, in order.

        Raises:
          DataError: if the source cannot be read, or the model fails.
        """
        ...


class RasterJob:
    """The map of a GeoTIFF, one part for each row of windows; see MapJob."""

    unit = "windows"

    def __init__(
        self, raster: Raster, model: MapModel, source_uri: str, fingerprint: str, window_px: int, overlap: float
    ) -> None:
        header = raster.header
        window_px = window_px or model.tile_px
        stride_px, cell_px = stride_of(window_px, overlap), cell_px_of(model, window_px)
        axes = Axis(header.height_px, cell_px), Axis(header.width_px, cell_px)
        self._raster = raster
        self._windows = RasterWindows(axes, window_px, stride_px, model.batch_size(window_px))
        self.num_bands = len(header.indexes)
        self.plan = planned_grid(
            model,
            name=PurePosixPath(source_uri).stem,
            source_uri=source_uri,
            fingerprint=fingerprint,
            height_px=header.height_px,
            width_px=header.width_px,
            window_px=window_px,
            stride_px=stride_px,
            tops=self._windows.tops,
            transform=header.transform,
            crs_wkt=header.crs_wkt,
        )

    def num_windows(self, wanted: Sequence[int]) -> int:
        """See MapJob."""
        return len(self._windows.lefts) * len(wanted)

    def parts(self, model: MapModel, wanted: Sequence[int]) -> Generator[tuple[int, WindowPart], None, None]:
        """See MapJob. Rows are read, and the next batch is sent, while the model works."""
        waiting: deque[AskedUnit] = deque()

        def batches() -> Iterator[dict[str, NDArray[np.uint8]]]:
            for unit in self._windows.units(self._raster, wanted):
                waiting.append(unit)
                yield from unit.batches

        answers: list[NDArray[np.float32]] = []
        for answer in model.of_pixels(batches()):
            while not waiting[0].places:
                yield self._answered(waiting.popleft(), [])
            answers.append(answer)
            if sum(map(len, answers)) == len(waiting[0].places):
                yield self._answered(waiting.popleft(), answers)
                answers = []
        while waiting:
            yield self._answered(waiting.popleft(), [])

    def _answered(self, unit: AskedUnit, answers: list[NDArray[np.float32]]) -> tuple[int, WindowPart]:
        self._raster.require_unchanged()  # or pixels of another source would be kept under the name of this one
        return unit.number, unit.answered(answers)
