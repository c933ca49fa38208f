"""How the page of a map writes areas and shares."""

import dataclasses

from components.maps.output.frame import OWN_UNITS, SQUARE_METRES
from components.words import Number

_HECTARE_M2 = 10_000


@dataclasses.dataclass(frozen=True)
class Amounts:
    """Areas of one map, with as many decimals as its size needs.

    Attributes:
      unit: Of areas, as a frame has it.
      whole: The area that was judged.
    """

    unit: str
    whole: float

    @property
    def unit_name(self) -> str:
        """What areas are counted in."""
        return {SQUARE_METRES: "ha", OWN_UNITS: "squared units"}.get(self.unit, "px")

    def number(self, area: float) -> Number:
        """Returns an area without its unit, for a column."""
        if self.unit != SQUARE_METRES:
            return Number(f"{area:,.0f}")
        decimals = 2 if self.whole >= 10 * _HECTARE_M2 else 3 if self.whole >= _HECTARE_M2 else 4
        return Number(f"{area / _HECTARE_M2:,.{decimals}f}")

    def text(self, area: float) -> str:
        """Returns an area with its unit, for a sentence; small ones in square metres."""
        if self.unit == SQUARE_METRES and 0 < area < _HECTARE_M2 / 10:
            return f"{area:,.0f} m²" if area >= 1 else "less than 1 m²"
        if self.unit == SQUARE_METRES:
            return f"{area / _HECTARE_M2:,.2f} ha"
        return f"{self.number(area)} {self.unit_name}"

    def share(self, area: float) -> Number:
        """Returns which share of what was judged an area is."""
        return share_of(area, self.whole)


def share_of(part: float, whole: float) -> Number:
    """Returns a share in percent; one that is not 0 is never written as 0."""
    share = part / whole if whole > 0 else 0.0
    return Number(f"{share:.1%}" if share == 0 or share >= 0.001 else "< 0.1%")
