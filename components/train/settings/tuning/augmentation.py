"""How tiles are changed before training sees them (step/augment.py)."""

import dataclasses

from components.setting import setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentationSettings:
    """Random changes, alike for all bands and the valid mask."""

    augment: bool = setting(True, "Random flips and quarter turns.")
    zoom_range: float = setting(
        0.0,
        "Zoom by 1 - range to 1 + range, in x and y apart; the reference study took 0.2. 0 turns it off.",
        at_least=0,
        below=1,
    )
    shear_degrees: float = setting(
        0.0,
        "Shear by up to so many degrees either way; the reference study took 10. 0 turns it off.",
        at_least=0,
        at_most=45,
    )
    brightness_range: float = setting(
        0.0,
        "Multiply each band by 1 - range to 1 + range; the reference study took 0.2. 0 turns it off.",
        at_least=0,
        below=1,
    )
