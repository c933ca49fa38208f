"""A unit of work on its way to the model: windows that become one part, with their pixels in batches."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from components.maps.window_part import PreviewBlock, WindowPart, joined_answers


@dataclasses.dataclass(frozen=True)
class AskedUnit:
    """Some windows to be asked about; see WindowPart for what is not explained here.

    Attributes:
      number: Of the part.
      batches: The pixels of the windows in the order of `places`, as the model's signature for pixels takes them. To be
        used up before the next unit is taken, and each before the next one, because they lie in the same memory.
    """

    number: int
    places: tuple[tuple[int, int], ...]
    valid: tuple[bytes, ...]
    num_windows: int
    nodata_px: int
    preview: tuple[PreviewBlock, ...]
    batches: Iterator[dict[str, NDArray[np.uint8]]]

    def answered(self, answers: list[NDArray[np.float32]]) -> WindowPart:
        """Returns the part, given the answers to its batches."""
        sides, content = joined_answers(answers)
        return WindowPart(
            places=self.places,
            sides=sides,
            answers=content,
            valid=self.valid,
            num_windows=self.num_windows,
            nodata_px=self.nodata_px,
            preview=self.preview,
        )
