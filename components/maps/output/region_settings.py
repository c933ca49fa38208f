"""Which regions of a map become polygons."""

import dataclasses

from components.setting import check_settings, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class RegionSettings:
    """The limits of the file of regions; areas by class count everything, and what is left out is counted and said.

    Raises:
      SettingsError: For a value out of range.
    """

    smallest_m2: float = setting(
        1.0, "Smallest region that becomes a polygon, square metres; for a source with a reference system.", at_least=0
    )
    smallest_px2: float = setting(
        100.0, "Smallest region that becomes a polygon, pixels; for a source without a georeference.", at_least=0
    )
    most_regions: int = setting(
        100_000, "Most regions that become polygons; if there are more, the largest do.", at_least=1, at_most=5_000_000
    )

    def __post_init__(self) -> None:
        check_settings(self)
