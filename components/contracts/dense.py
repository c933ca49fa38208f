"""What a model with a dense head says of places: its scores on the pixels of test, and when a place shows a class."""

from typing import TypeAlias

import msgspec

from components.contracts.calibration import Probability

Interval: TypeAlias = tuple[float, float]


class DenseScores(msgspec.Struct, frozen=True, kw_only=True):
    """The mean IoU of the challenges, as components/scoring/overlap_iou.py defines it, on the pixels of test.

    Attributes:
      mean_iou: Over background and all classes that are labelled or predicted anywhere, in 0..1.
      interval: Its 95 % interval, by resampling fields.
      background_iou, background_interval: None if no pixel is background, in truth or by prediction.
      class_iou: By class; None for a class that is neither labelled nor predicted anywhere.
      class_intervals: The 95 % interval of each of these.
      thresholds: The probability above which a place shows a class, in class-list order; chosen on val. Of several
        classes a pixel shows the one that is furthest above, in log-odds; see components/scoring/dense/.
      num_pixels: The valid pixels that were compared.
    """

    mean_iou: float
    interval: Interval
    background_iou: float | None
    background_interval: Interval | None = None
    class_iou: dict[str, float | None]
    class_intervals: dict[str, Interval] = msgspec.field(default_factory=dict)
    thresholds: tuple[Probability, ...]
    num_pixels: int
