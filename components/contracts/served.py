"""serve → drift, canary: what a server has answered, as sums without any picture."""

from typing import Annotated, ClassVar, TypeAlias

import msgspec

from components.contracts.calibration import Probability
from components.contracts.document import FORMAT_VERSION, Document
from components.contracts.names import PathPart, Sha256, UtcTime
from components.errors import DataError

NUM_VALUES = 256  # of a pixel
NUM_PROBABILITY_BINS = 50

# Sums of many windows stay exact, also where JSON knows only floating-point numbers.
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]
Counts: TypeAlias = tuple[Count, ...]
_Name: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00-\x1f\x7f]{1,200}\Z")]
_Names: TypeAlias = Annotated[tuple[_Name, ...], msgspec.Meta(min_length=1, max_length=256)]


class ServedWindow(Document, frozen=True, kw_only=True):
    """What one server answered with one version of a model from one moment to another.

    Windows of several servers and times add up, since all that is counted is whole numbers. Only tiles that were
    answered count. The bands are counted as the manifest counts those of a split.

    Attributes:
      instance: Names the server process; two never have the same.
      manifest_sha256: The dataset that the model was trained on.
      classes, bands: The model's, in the order of all that follows.
      num_requests: Requests that held these tiles; tiles of one request are often of one field.
      counted_tiles: Those whose bands were counted: all, or of a model that sees its tiles smaller than they are some,
        drawn by their content. Not stated in a window of an earlier version, which counted all.
      valid_pixels, band_histogram: Pixels of these that count, and those by value, [bands][256].
      predicted_tiles: Tiles that were given the class, [C].
      probability_histogram: Tiles by probability in steps of a fiftieth, [C][50]; 1 is in the last.
      test_share: The share of the test tiles that the evaluation saw the model give the class, [C]; None if the card
        does not tell.
    """

    way_out: ClassVar[str] = (
        "name the folder that --drift-to did; a damaged window may be removed, the others are of use without it"
    )

    format_version: int = FORMAT_VERSION
    version: PathPart
    instance: PathPart
    since: UtcTime
    until: UtcTime
    manifest_sha256: Sha256
    classes: _Names
    bands: _Names
    num_requests: Count
    num_tiles: Count
    counted_tiles: Count | msgspec.UnsetType = msgspec.UNSET
    valid_pixels: Count
    band_histogram: tuple[Counts, ...]
    predicted_tiles: Counts
    probability_histogram: tuple[Counts, ...]
    test_share: tuple[Probability | None, ...]
    num_test_tiles: Count = 0

    @classmethod
    def checked(cls, content: bytes, origin: str) -> "ServedWindow":
        """Parses a window, and checks that its sums agree; `origin` is where it came from, for error messages.

        Raises:
          DataError: if it is no window, or its sums contradict each other.
        """
        window = cls.from_json(content, origin)
        if fault := window._fault():
            raise DataError(f"{origin} is no window of a server: {fault}; {cls.way_out}")
        return window

    @property
    def num_counted(self) -> int:
        """The tiles whose bands were counted."""
        return self.num_tiles if isinstance(self.counted_tiles, msgspec.UnsetType) else self.counted_tiles

    def _fault(self) -> str:
        """Returns what contradicts itself; empty if nothing does."""
        num_classes, num_bands = len(self.classes), len(self.bands)
        for name, rows, expected in (
            ("band_histogram", self.band_histogram, (num_bands, NUM_VALUES, self.valid_pixels)),
            ("probability_histogram", self.probability_histogram, (num_classes, NUM_PROBABILITY_BINS, self.num_tiles)),
        ):
            num_rows, length, total = expected
            if len(rows) != num_rows or any(len(row) != length for row in rows):
                return f"{name} must have {num_rows} rows of {length} counts"
            if any(sum(row) != total for row in rows):
                return f"each row of {name} must add up to {total:,}"
        for name, values in (("predicted_tiles", self.predicted_tiles), ("test_share", self.test_share)):
            if len(values) != num_classes:
                return f"{name} must have {num_classes} values, one for each class; got {len(values)}"
        if max(*self.predicted_tiles, self.num_requests, self.num_counted) > self.num_tiles:
            return f"it counts more than its {self.num_tiles:,} tiles"
        if self.until < self.since:
            return f"it ends at {self.until}, before it begins at {self.since}"
        return ""
