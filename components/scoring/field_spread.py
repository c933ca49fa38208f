"""How much fields differ, and which ones are best and worst, without taking chance for a difference.

A field has few tiles, so the best and worst of thousands of fields are mostly lucky and unlucky, and a test of each
would find nothing, or noise. Instead, the errors of a field (classes missed, or wrongly found) are compared with what
the model's overall rates of missing and of false alarms would give on its labels. If tiles erred independently, chance
would explain a variance that follows from the same rates. What fields vary beyond that is their spread (the moment
estimator of DerSimonian and Laird, Controlled Clinical Trials 7, 1986). Each field's excess is then drawn towards 0 by
the share of its variance that chance explains (empirical Bayes: Efron and Morris, Journal of the American Statistical
Association 70, 1975), so a field of two tiles is not the worst for one error.

The windows of a field overlap, so what is beyond chance is partly one error seen from several windows.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from components.scoring.field_sums import Counts


@dataclasses.dataclass(frozen=True)
class Spread:
    """How much fields differ; see FieldSpread of components/contracts/weaknesses.py.

    Attributes:
      errors, expected: By field, [F].
      excess: Errors a tile above those expected, drawn towards 0, [F].
    """

    errors_per_tile: float
    spread: float
    times_chance: float
    errors: NDArray[np.int64]
    expected: NDArray[np.float64]
    excess: NDArray[np.float64]


def spread_of(counts: Counts, num_tiles: NDArray[np.int64]) -> Spread | None:
    """Returns how much fields differ; None unless there are two fields and any errors.

    Args:
      counts: By field, [F, C].
      num_tiles: int64 [F], above 0.
    """
    totals, tiles = counts.totals(), int(num_tiles.sum())
    missed = 1 - totals.hits / np.maximum(totals.true, 1)  # [C]
    false = (totals.predicted - totals.hits) / np.maximum(tiles - totals.true, 1)
    without = num_tiles[:, np.newaxis] - counts.true
    errors = (counts.true - counts.hits + counts.predicted - counts.hits).sum(axis=1)
    expected = (counts.true * missed + without * false).sum(axis=1)
    chance = (counts.true * (missed * (1 - missed)) + without * (false * (1 - false))).sum(axis=1)
    if len(num_tiles) < 2 or not (chance > 0).any():
        return None
    told = chance > 0
    excess = (errors - expected) / num_tiles
    weights = np.where(told, num_tiles**2 / np.where(told, chance, 1), 0.0)  # 1 / variance by chance
    degrees = int(told.sum()) - 1
    q = float((weights * excess**2).sum())
    scale = float(weights.sum() - (weights**2).sum() / weights.sum())
    between = max(0.0, (q - degrees) / scale) if scale > 0 else 0.0
    kept = between / (between + np.where(told, 1 / np.where(told, weights, 1), 1)) if between else np.zeros(len(errors))
    return Spread(
        errors_per_tile=float(errors.sum() / tiles),
        spread=float(np.sqrt(between)),
        times_chance=q / max(degrees, 1),
        errors=errors,
        expected=expected,
        excess=np.asarray(excess * np.where(told, kept, 0)),
    )


def furthest(spread: Spread, most: int) -> tuple[list[int], list[int]]:
    """Returns the best and the worst fields, at most `most` of each, whose excess is not 0; the furthest first."""
    order = np.argsort(spread.excess, kind="stable")
    best = [int(field) for field in order[:most] if spread.excess[field] < 0]
    worst = [int(field) for field in order[::-1][:most] if spread.excess[field] > 0]
    return best, worst
