"""The price of 50 epochs over all tiles of train and val, at a speed and on a node; pure arithmetic.

Steps alone are counted: no start, validation, checkpoints or export, and no disks or network.
"""

import dataclasses
from collections.abc import Sequence

from components.contracts.study import Matrix, Words
from components.cost.prices import Prices
from components.cost.run_cost import run_cost
from components.cost.train_speed import TrainSize, TrainSpeed

NUM_TILES, EPOCHS = 75_278, 50  # as the claim has it: train and val of the whole dataset
_HOUR = 3600.0
_COLUMNS = ("tiles/s", "hours", "USD an hour", "USD")


@dataclasses.dataclass(frozen=True)
class PricedTraining:
    """A training of the whole dataset.

    Attributes:
      name: What tables call it.
      tiles_per_second: Its speed.
      profile: The node that it is charged as.
      prices: Where that has a price.
    """

    name: str
    tiles_per_second: float
    profile: str
    prices: Prices

    @property
    def seconds(self) -> float:
        """How long its steps take."""
        size = TrainSize(num_train=NUM_TILES, num_val=0, epochs=EPOCHS, fewest_epochs=EPOCHS)
        return TrainSpeed(0.0, 1 / self.tiles_per_second, 0.0).seconds(size, EPOCHS)

    @property
    def cost(self) -> float:
        """What the node costs for as long, in the currency of the prices."""
        return run_cost({"train": (self.profile, self.seconds)}, self.prices).cost


def price_table(name: str, title: Words, priced: Sequence[PricedTraining], *, is_measured: bool) -> Matrix:
    """Returns how each price comes about: speed, hours, and what an hour costs.

    Args:
      is_measured: Whether the speeds are those of a machine, which differ between runs.
    """
    return Matrix(
        name=name,
        title=title,
        unit="tiles/s, h, USD",
        row_title=Words(english="training", spanish="entrenamiento"),
        column_title=Words(english="what it takes", spanish="lo que requiere"),
        rows=tuple(each.name for each in priced),
        columns=_COLUMNS,
        values=tuple(
            (each.tiles_per_second, each.seconds / _HOUR, each.prices.of(each.profile).per_hour, each.cost)
            for each in priced
        ),
        has_one_unit=False,
        is_measured=is_measured,
    )
