"""Tests whether effects by field lie around 0, by turning their signs.

If two models are equally good, each field could as well have favoured the other one as much: every choice of signs of
the effects was equally likely. The p-value is the share of the choices whose sum reaches the one observed, the
randomization test of matched pairs (Fisher, The Design of Experiments, 1935, section 21). As the sum of squares is the
same for every choice, it is the test by Student's t with its exact null distribution, so it stays valid for skewed
effects when fields are many (Janssen, Statistics & Probability Letters 36, 1997).

Up to two dozen effects, all choices are counted. Beyond, Lugannani and Rice's saddlepoint approximation replaces the
counting (Robinson, Journal of the Royal Statistical Society B 44, 1982, shows it for exactly this test). Its relative
error stays small far out in the tail, where no number of random draws reaches: on the hundredth question to a test set
the gate asks for p below 4e-6. Nothing is drawn, so there is no seed.

Why not the bootstrap: its percentile interval is too narrow for few fields. `docs/gate.md` has the comparison.
"""

import math

import numpy as np
from numpy.typing import NDArray

from components.scoring.field_effects import Effects

# Two halves of 2^12 sums, which take less than a millisecond; at 25 effects the approximation is off by a few per cent.
_MAX_COUNTED = 24
_TIE = 1e-12  # of the sum of all sizes: sums that differ by less are equal but for rounding
_MAX_STEPS = 100  # far more than a root needs
_PRECISION = 1e-6  # of the ends of an interval


def p_better(effects: NDArray[np.float64]) -> float:
    """Returns the one-sided p-value of "the sum of the effects is not above 0", in 0..1; 1 if there are none.

    Args:
      effects: By field, float64 [F].
    """
    telling = effects[effects != 0]
    total, size = float(telling.sum()), float(np.abs(telling).sum())
    if not len(telling):
        return 1.0
    if len(telling) <= _MAX_COUNTED:
        return _counted(np.abs(telling), total - _TIE * size)
    if total >= (1 - _TIE) * size:  # every field speaks for it
        return float(0.5 ** len(telling))
    if total < 0:
        return 1 - _tail(np.abs(telling) / size, -total / size)
    return _tail(np.abs(telling) / size, total / size)


def interval(effects: Effects, alpha: float) -> tuple[float, float]:
    """Returns the differences that the test does not reject at `alpha` on either side; within -1..1.

    So the interval lies above 0 exactly if `p_better` is at most `alpha`.
    """
    low = _bound(effects.by_field, effects.weights, effects.difference, alpha)
    high = -_bound(-effects.by_field, effects.weights, -effects.difference, alpha)
    return low, high


def _bound(by_field: NDArray[np.float64], weights: NDArray[np.float64], difference: float, alpha: float) -> float:
    """Returns the largest difference that is rejected, because what was observed is too far above it; -1 if none is."""

    def rejected(other: float) -> bool:
        return p_better(by_field - other * weights) <= alpha

    if not rejected(-1.0):
        return -1.0
    below, above = -1.0, difference
    if difference > 0:  # so that the answer at 0 is the test's own
        below, above = (0.0, difference) if rejected(0.0) else (-1.0, 0.0)
    while above - below > _PRECISION:
        middle = (below + above) / 2
        below, above = (middle, above) if rejected(middle) else (below, middle)
    return below


def _counted(sizes: NDArray[np.float64], reached: float) -> float:
    halves = [np.zeros(1), np.zeros(1)]
    for number, size in enumerate(sizes):
        half = halves[number % 2]
        halves[number % 2] = np.concatenate([half - size, half + size])
    ranked = np.sort(halves[1])
    # For each sum of one half, those of the other that reach what is missing.
    below = np.searchsorted(ranked, reached - halves[0], side="left")
    return float((len(ranked) - below).sum() / 2 ** len(sizes))


def _tail(sizes: NDArray[np.float64], total: float) -> float:
    """Returns the probability that the sum of randomly signed `sizes` reaches `total`, by Lugannani and Rice.

    Args:
      sizes: Above 0 and of sum 1.
      total: In 0..1, below 1.
    """
    variance = float((sizes**2).sum())
    if total**2 < 1e-10 * variance:  # the formula divides by its distance from the middle
        return 0.5
    # The derivative of the cumulant generating function K(t) = sum of log cosh(t * size) must be the total. As it is
    # concave, Newton's steps from 0 approach from below and never overshoot.
    at = 0.0
    for _ in range(_MAX_STEPS):
        slope = np.tanh(at * sizes)
        missing, curvature = total - float((sizes * slope).sum()), float((sizes**2 * (1 - slope**2)).sum())
        if missing <= 1e-12 * total or curvature <= 0:
            break
        at += missing / curvature
    tilted = at * sizes
    # log cosh x = |x| + log((1 + exp(-2 |x|)) / 2), which does not overflow
    cumulant = float((tilted + np.log1p(np.exp(-2 * tilted)) - math.log(2)).sum())
    curvature = float((sizes**2 * (1 - np.tanh(tilted) ** 2)).sum())
    root = math.sqrt(max(2 * (at * total - cumulant), 0.0))
    scaled = at * math.sqrt(curvature)
    if root == 0 or scaled == 0:
        return float(0.5 ** len(sizes))
    density = math.exp(-(root**2) / 2) / math.sqrt(2 * math.pi)
    tail = math.erfc(root / math.sqrt(2)) / 2 + density * (1 / scaled - 1 / root)
    return min(max(tail, 0.5 ** len(sizes)), 1.0)
