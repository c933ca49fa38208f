"""Settings of the random changes that training applies to tiles (step/augment.py)."""

import dataclasses

from components.setting import setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentationSettings:
    """Random changes, applied equally to all bands and the valid mask."""

    augment: bool = setting(True, "Apply random flips and quarter turns.")
    zoom_range: float = setting(
        0.0,
        "Zoom x and y independently by a random factor from 1 - range to 1 + range; the reference study used 0.2. "
        "0 turns it off.",
        at_least=0,
        below=1,
    )
    shear_degrees: float = setting(
        0.0,
        "Shear by a random angle of up to this many degrees either way; the reference study used 10. 0 turns it off.",
        at_least=0,
        at_most=45,
    )
    brightness_range: float = setting(
        0.0,
        "Multiply each band by a random factor from 1 - range to 1 + range; the reference study used 0.2. "
        "0 turns it off.",
        at_least=0,
        below=1,
    )
