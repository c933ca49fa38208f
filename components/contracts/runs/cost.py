"""What a run cost: the seconds of its pods, and the money and energy that they come to.

Seconds are measured, prices come from a price file (components/cost/prices.yaml), and energy is an estimate: watts of
that file times seconds.
"""

from typing import Annotated

import msgspec

from components.contracts.names import PathPart, PathPartOrEmpty

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e15)]


class PodSeconds(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the time of a training's workers, in seconds added up over their nodes.

    Each pod counts as a node of its own. The processes of one machine share it, so that they count once.

    Attributes:
      waiting: From a pod's creation until it had a node; costs nothing.
      starting: From then on until its container ran: image, volumes, network.
      running: From there to its end, in the attempt that completed the training.
      lost: Starting and running in all attempts that failed and were restarted, whose work may be lost in part.
    """

    waiting: Seconds = 0.0
    starting: Seconds = 0.0
    running: Seconds = 0.0
    lost: Seconds = 0.0

    @property
    def paid(self) -> float:
        """The seconds that a node was held for."""
        return self.starting + self.running + self.lost

    def __add__(self, other: "PodSeconds") -> "PodSeconds":
        return PodSeconds(
            waiting=self.waiting + other.waiting,
            starting=self.starting + other.starting,
            running=self.running + other.running,
            lost=self.lost + other.lost,
        )

    def as_lost(self) -> "PodSeconds":
        """Returns the same seconds for an attempt that failed."""
        return PodSeconds(waiting=self.waiting, lost=self.paid)


class StepCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one step of a run cost.

    Attributes:
      profile: The row of the price file that its pods count as.
      pod_seconds: Seconds that were paid for, added up over its pods.
      cost: In the currency of the run's cost.
      kwh: Energy in kilowatt hours, an estimate.
      is_cached: Kubeflow took the step's outputs from an earlier run, so that it cost nothing.
    """

    profile: PathPartOrEmpty
    pod_seconds: Seconds = 0.0
    cost: Amount = 0.0
    kwh: Amount = 0.0
    is_cached: bool = False


class RunCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a run cost, or a part of it such as its training.

    Attributes:
      currency: Three letters, e.g. "USD".
      prices_of: The day that the prices were looked up, e.g. "2026-01-31".
      prices_source: Where they come from, e.g. "list prices of GKE, us-central1".
      is_verified: Whether somebody has verified the price of every profile that was used.
      steps: By name of the step.
      cost: Of all steps.
      kwh: Energy of all steps in kilowatt hours, an estimate.
      num_tiles: Tiles of the dataset; 0 if unknown.
    """

    currency: Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{3}\Z")]
    prices_of: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
    prices_source: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    is_verified: bool = True
    steps: dict[PathPart, StepCost] = msgspec.field(default_factory=dict)
    cost: Amount = 0.0
    kwh: Amount = 0.0
    num_tiles: Annotated[int, msgspec.Meta(ge=0)] = 0

    @property
    def cost_of_1000_tiles(self) -> float | None:
        """What 1,000 tiles of the dataset cost; None if their number is unknown."""
        return 1000 * self.cost / self.num_tiles if self.num_tiles else None
