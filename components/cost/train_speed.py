"""How fast trainings were, from their receipts; and how long the next one will take, as an interval.

A training takes a time that does not depend on its data (to start, compile and export), and for each epoch one for its
train tiles, one for its val tiles, and one for what an epoch costs besides. All four are read off a receipt. How far
forecasts are off is learned from the receipts as well: each is forecast from the others.
"""

import dataclasses
import math
import statistics
from collections.abc import Sequence

from components.contracts import EpochMetrics, TrainingReceipt

# Validation computes no gradients, which are two thirds of a step's work, and augments nothing.
_VALIDATION_SHARE = 0.4
# What is assumed of the error of a forecast until receipts tell: usually a factor of 1.4 either way, and as sure of it
# as of so many residuals. Two equal trainings on a machine that others use, too, differ by as much.
_ASSUMED_SPREAD, _ASSUMED_NUMBER = 0.35, 6
# For nine of ten of a normal distribution whose spread is known from a few residuals: Student's t of six degrees of
# freedom has 1.94. Of the logarithms.
_QUANTILE = 2.0


@dataclasses.dataclass(frozen=True)
class Interval:
    """A forecast.

    Attributes:
      low, high: The bounds, which nine of ten outcomes should lie between.
      middle: As likely to be too little as too much.
    """

    low: float
    middle: float
    high: float

    def __add__(self, other: "Interval") -> "Interval":
        # As if all were off in the same direction at once, as on a machine that gets busy.
        return Interval(self.low + other.low, self.middle + other.middle, self.high + other.high)

    def times(self, factor: float) -> "Interval":
        """Returns the interval of a multiple."""
        return Interval(self.low * factor, self.middle * factor, self.high * factor)


@dataclasses.dataclass(frozen=True)
class TrainSize:
    """How much a training has to do.

    Attributes:
      num_train: Train tiles that an epoch takes, in whole global batches.
      num_val: Val tiles.
      epochs: Epochs at most.
      fewest_epochs: Epochs at least, which is less if training may stop early.
    """

    num_train: int
    num_val: int
    epochs: int
    fewest_epochs: int


@dataclasses.dataclass(frozen=True)
class TrainSpeed:
    """How fast a training was.

    Attributes:
      fixed_seconds: To start, compile and export.
      tile_seconds: For a train tile, over all workers.
      epoch_seconds: For an epoch, beyond its tiles.
    """

    fixed_seconds: float
    tile_seconds: float
    epoch_seconds: float

    def seconds(self, size: TrainSize, epochs: int) -> float:
        """Returns how long a training of that size takes at this speed."""
        tiles = size.num_train + _VALIDATION_SHARE * size.num_val
        return self.fixed_seconds + epochs * (self.epoch_seconds + self.tile_seconds * tiles)


def speed_of(receipt: TrainingReceipt, size: TrainSize) -> TrainSpeed | None:
    """Returns how fast a training was; None if its receipt does not tell.

    It does not if training was restarted or resumed, for then its time is not that of its epochs, or was too short.

    Args:
      receipt: Of the training.
      size: Of its dataset; the epochs of the receipt count.
    """
    # The first epoch may have had no step but the one that was compiled.
    rows = [row for row in receipt.history[1:] or receipt.history if row.tiles_per_second > 0]
    if not rows or receipt.num_restarts:
        return None
    tile_seconds = statistics.median(1 / row.tiles_per_second for row in rows)
    of_tiles = tile_seconds * (size.num_train + _VALIDATION_SHARE * size.num_val)
    epoch = max(of_tiles, _usual_seconds(receipt.history) or of_tiles)
    fixed = receipt.seconds - epoch * len(receipt.history)
    return TrainSpeed(fixed, tile_seconds, epoch - of_tiles) if fixed > 0 else None


def _usual_seconds(history: Sequence[EpochMetrics]) -> float | None:
    """Returns the seconds of an epoch that compiles nothing; None if there was no such epoch."""
    return statistics.median(row.seconds for row in history[1:]) if len(history) > 1 else None


def forecast_seconds(known: Sequence[tuple[TrainingReceipt, TrainSize]], size: TrainSize) -> Interval | None:
    """Returns how long a training will take; None if no receipt tells.

    Args:
      known: Receipts of trainings of the same network on the same machines, with the sizes of their datasets.
      size: Of the training to come.
    """
    told = [(speed, receipt, of) for receipt, of in known if (speed := speed_of(receipt, of))]
    if not told:
        return None
    speeds = [speed for speed, _, _ in told]
    residuals = [
        math.log(receipt.seconds / _middle([other for other in speeds if other is not speed], of, len(receipt.history)))
        for speed, receipt, of in told
        if len(told) > 1
    ]
    known_spread = _ASSUMED_NUMBER * _ASSUMED_SPREAD**2 + sum(residual**2 for residual in residuals)
    factor = math.exp(_QUANTILE * math.sqrt(known_spread / (_ASSUMED_NUMBER + len(residuals))))
    middle = _middle(speeds, size, size.epochs)
    return Interval(_middle(speeds, size, size.fewest_epochs) / factor, middle, middle * factor)


def _middle(speeds: Sequence[TrainSpeed], size: TrainSize, epochs: int) -> float:
    return statistics.median(speed.seconds(size, epochs) for speed in speeds)
