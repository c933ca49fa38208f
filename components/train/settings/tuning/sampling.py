"""Settings for how often an epoch reads each tile (input/sampling.py)."""

import dataclasses

from components.setting import setting

SAMPLINGS = ("shuffle", "inverse_frequency", "effective_number")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """How often an epoch reads a tile."""

    sampling: str = setting(
        "shuffle",
        '"shuffle" reads each tile once per epoch; the others read tiles of rare classes more often and skip some '
        "tiles. Combined with class_weighting, rarity counts twice.",
        choices=SAMPLINGS,
    )
    effective_number_beta: float = setting(
        0.999,
        "Beta of the effective number of tiles (Cui et al. 2019), for class_weighting and sampling: above about "
        "1 / (1 - beta) tiles, a class counts no less than a larger one.",
        at_least=0,
        below=1,
    )
