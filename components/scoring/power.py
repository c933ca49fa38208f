"""What a test set could find out at all: the smallest gain of macro F1 that it would show in four of five cases.

By the normal tail, a gain is found at `alpha` with power 80 % if it is z(1 - alpha) + z(0.8) standard deviations of the
difference above 0. How the difference varies from field to field is measured where two models answered the same tiles.

Where there is one model only, another is assumed that is as good, varies as much from field to field, and errs
independently of this one. Then the variance of the difference is twice the model's own. Two trainings on the same data
err on the same tiles for the most part, so their difference varies less: what comes out is an upper bound for them.
"""

import statistics

import numpy as np
from numpy.typing import NDArray

from components.f1_score import f1
from components.scoring.field_effects import Effects
from components.scoring.field_sums import Counts

POWER = 0.8
_NORMAL = statistics.NormalDist()


def smallest_gain(effects: Effects, alpha: float) -> float:
    """Returns the gain of macro F1 over the other model that would be found at `alpha` in four of five cases."""
    return _found(effects.by_field - effects.difference * effects.weights, alpha)


def smallest_gain_over_alike(counts: Counts, alpha: float) -> float:
    """Returns the same over an assumed model, as good as this one, that errs independently; counts int64 [F, C]."""
    supported = counts.true.sum(axis=0) > 0
    if not supported.any():
        return 0.0
    hits, size = 2 * counts.hits[:, supported], (counts.predicted + counts.true)[:, supported]
    totals = counts.totals()
    scores = f1(totals.hits, totals.predicted, totals.true)[supported]
    noise = ((hits - scores * size) / size.sum(axis=0)).mean(axis=1)  # the linearized ratio, as in field_effects.py
    return _found(np.sqrt(2) * noise, alpha)


def can_decide(num_fields: int, alpha: float) -> bool:
    """Tells whether a difference could be found if every field spoke for it: n fields give no p-value below 2^-n."""
    return 0.5**num_fields <= alpha


def _found(noise: NDArray[np.float64], alpha: float) -> float:
    """Returns the gain from what each field adds to the noise of the difference, [F]."""
    error = float(np.sqrt((noise**2).sum()))
    return (_NORMAL.inv_cdf(1 - alpha) + _NORMAL.inv_cdf(POWER)) * error
