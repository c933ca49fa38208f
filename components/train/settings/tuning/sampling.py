"""Which tiles an epoch reads, and how often (input/sampling.py)."""

import dataclasses

from components.setting import setting

SAMPLINGS = ("shuffle", "inverse_frequency", "effective_number")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """How often an epoch reads a tile."""

    sampling: str = setting(
        "shuffle",
        '"shuffle" reads each tile once an epoch; the others read tiles of rare classes more often, and some tiles not '
        "at all. Together with a class weighting, rarity counts twice.",
        choices=SAMPLINGS,
    )
    effective_number_beta: float = setting(
        0.999,
        "Of class_weighting and sampling by effective number (Cui et al. 2019): above about 1 / (1 - beta) tiles, a "
        "class is as good as any larger one.",
        at_least=0,
        below=1,
    )
