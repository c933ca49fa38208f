"""What an arm's process is told, and what it says of each turn besides the number that is compared."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from components.study.arms.arm import Arm


class ArmSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a process is told.

    Attributes:
      tiles_root: Of the PreparedTiles.
      times_conversion: Whether a turn makes what it reads anew, and the time of that counts.
      num_paid_epochs: Epochs that a turn's number stands for: it is the time of the conversion and of so many epochs,
        of which as many are measured as the arm's training has.
    """

    arm: Arm
    tiles_root: str
    times_conversion: bool = False
    num_paid_epochs: int = 1


class TurnDetails(msgspec.Struct, frozen=True, array_like=True):
    """Of one turn.

    Attributes:
      epoch_seconds: Of one epoch.
      waiting_share: Share of the time in which the step waited for its batch.
      conversion_seconds: Of making what is read; 0 if nothing is made.
      peak_bytes: The most memory that the process has had so far.
    """

    epoch_seconds: float
    waiting_share: float
    conversion_seconds: float
    peak_bytes: int


def read_turns(path: Path) -> list[TurnDetails]:
    """Returns the turns of an arm, without the first, which does not count."""
    return [msgspec.json.decode(line, type=TurnDetails) for line in path.read_bytes().splitlines()][1:]


def median_of(turns: Sequence[TurnDetails], what: Callable[[TurnDetails], Any]) -> float:
    """Returns the median of something over turns."""
    return float(statistics.median(what(turn) for turn in turns))
