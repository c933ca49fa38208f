"""Fits a slope and an offset for each class, by maximum likelihood, drawn towards what the classes have in common.

Each tile counts the same, in a small field as in a large one, because a probability is a promise about tiles. But
tiles of one field err together, so a class's likelihood is scaled down until all its tiles together weigh as much as
the fields that have it; a field that has most of its tiles counts as hardly more than one (`effective_fields`). A
prior adds what a few fields would weigh that behave as the classes do on the whole. So a class with many fields gets
its own slope and offset, one with few nearly the common ones, and one whose tiles the scores separate without error no
infinite slope. The estimate is the mode of the posterior (Gelman and others, Bayesian Data Analysis, 3rd edition,
2013, section 5.1, for the prior that the classes share).

A class without positives gets the common slope. Its offset is the common one, or, if that says too much, the one at
which its mean probability is 1 / (F + 2) for F fields: by Laplace's rule of succession, the probability that the next
field has what none of F had.

Newton's method with the expected second derivative, that is Fisher scoring (McCullagh and Nelder, Generalized Linear
Models, 2nd edition, 1989, section 2.5), on the logarithm of the slope, so that slopes stay positive.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from components.scoring.logit_bins import LogitBins

# What the prior weighs: the inverse variance of a class's log slope and offset around the common ones, with standard
# deviations of 1 and 2. Tried on simulated classes that are more alike and less alike than that, with 8 to 120 fields:
# no other pair was better on both.
_SLOPE_WEIGHT, _OFFSET_WEIGHT = 1.0, 0.25
_LARGEST_LOG_SLOPE = 4.0  # slopes of 0.018 to 55
_LARGEST_STEP = 2.0
_MOST_STEPS = 60
_PRECISION = 1e-7


@dataclasses.dataclass(frozen=True)
class _Likelihood:
    """Minus the log likelihood of every class, from its bins, with a weight for each; arrays [C, M]."""

    logits: NDArray[np.float64]
    weights: NDArray[np.float64]
    labels: NDArray[np.float64]

    def value(self, log_slope: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.float64]:
        x = np.exp(log_slope)[:, np.newaxis] * self.logits + offset[:, np.newaxis]
        softplus = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
        return np.asarray((self.weights * (softplus - self.labels * x)).sum(axis=1))

    def slopes(
        self, log_slope: NDArray[np.float64], offset: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns the gradient [2, C] and the expected second derivative [3, C], of (ss, so, oo)."""
        by_log_slope = np.exp(log_slope)[:, np.newaxis] * self.logits
        p = _sigmoid(by_log_slope + offset[:, np.newaxis])
        rest = self.weights * (p - self.labels)
        curve = self.weights * p * (1 - p)
        gradient = np.stack([(rest * by_log_slope).sum(axis=1), rest.sum(axis=1)])
        second = [(curve * by_log_slope**2).sum(axis=1), (curve * by_log_slope).sum(axis=1), curve.sum(axis=1)]
        return gradient, np.stack(second)


def fit_classes(bins: LogitBins) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the slopes and offsets, [C] each."""
    positives = bins.positives
    known = positives > 0
    slopes, offsets = np.ones(len(known)), np.zeros(len(known))
    log_slope, offset = 0.0, 0.0
    if known.any():
        fields = bins.fields[known]
        weights = bins.counts[known] * (fields / positives[known])[:, np.newaxis]
        likelihood = _Likelihood(bins.means[known], weights, bins.labels[known])
        log_slope, offset = _common(likelihood, fields)
        own_log_slopes, own_offsets = _minimum(likelihood, log_slope, offset)
        slopes[known], offsets[known] = np.exp(own_log_slopes), own_offsets
    slopes[~known] = np.exp(log_slope)
    for c in np.flatnonzero(~known):
        offsets[c] = min(offset, _offset_at(slopes[c] * bins.means[c], bins.counts[c], 1 / (bins.num_fields + 2)))
    return slopes, offsets


def _common(likelihood: _Likelihood, fields: NDArray[np.float64]) -> tuple[float, float]:
    """Returns the log slope and the offset that the classes have in common.

    One slope for all is fitted with an offset for each class, because a slope fitted with one offset would come out too
    flat where the offsets differ. The common offset is their mean, in which a class counts the more, the more fields
    it has. The prior is the identity.
    """
    log_slope, offset = 0.0, np.zeros(len(fields))

    def value(of_slope: float, of_class: NDArray[np.float64]) -> float:
        prior = (_SLOPE_WEIGHT * of_slope**2 + _OFFSET_WEIGHT * (of_class**2).sum()) / 2
        return float(likelihood.value(np.full(len(fields), of_slope), of_class).sum() + prior)

    now = value(log_slope, offset)
    for _ in range(_MOST_STEPS):
        gradient, second = likelihood.slopes(np.full(len(fields), log_slope), offset)
        of_slope = gradient[0].sum() + _SLOPE_WEIGHT * log_slope
        of_offset = gradient[1] + _OFFSET_WEIGHT * offset
        curve = second[2] + _OFFSET_WEIGHT
        # The offsets are eliminated from the equations of the step, as each is tied to the slope only.
        rest = second[0].sum() + _SLOPE_WEIGHT - (second[1] ** 2 / curve).sum()
        slope_step = -(of_slope - (second[1] * of_offset / curve).sum()) / rest
        offset_step = -(of_offset + second[1] * slope_step) / curve
        shrink = min(1.0, _LARGEST_STEP / max(abs(slope_step), np.abs(offset_step).max(), 1e-12))
        while (then := value(log_slope + shrink * slope_step, offset + shrink * offset_step)) > now and shrink > 1e-6:
            shrink /= 2
        if then > now:
            break
        log_slope, offset, now = log_slope + shrink * slope_step, offset + shrink * offset_step, then
        if shrink * max(abs(slope_step), np.abs(offset_step).max()) < _PRECISION:
            break
    weight = fields / (fields + 1)
    log_slope = float(np.clip(log_slope, -_LARGEST_LOG_SLOPE, _LARGEST_LOG_SLOPE))
    return log_slope, float((weight * offset).sum() / (weight.sum() + 1))


def _minimum(
    likelihood: _Likelihood, common_log_slope: float, common_offset: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns each class's log slope and offset, [C] each, all classes at once."""
    centre = np.array([common_log_slope, common_offset])[:, np.newaxis]
    prior = np.array([_SLOPE_WEIGHT, _OFFSET_WEIGHT])[:, np.newaxis]

    def value(of: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(likelihood.value(of[0], of[1]) + (prior * (of - centre) ** 2).sum(axis=0) / 2)

    found = np.repeat(centre, len(likelihood.logits), axis=1)
    now = value(found)
    for _ in range(_MOST_STEPS):
        gradient, (ss, so, oo) = likelihood.slopes(found[0], found[1])
        gradient = gradient + prior * (found - centre)
        ss, oo = ss + _SLOPE_WEIGHT, oo + _OFFSET_WEIGHT
        step = -np.stack([oo * gradient[0] - so * gradient[1], ss * gradient[1] - so * gradient[0]]) / (ss * oo - so**2)
        step *= np.minimum(1.0, _LARGEST_STEP / np.maximum(np.abs(step).max(axis=0), 1e-12))
        for _ in range(20):  # halves the step of each class that it would make worse
            then = value(found + step)
            if not (worse := then > now).any():
                break
            step[:, worse] /= 2
        step[:, then > now] = 0
        found, now = found + step, np.minimum(then, now)
        if np.abs(step).max() < _PRECISION:
            break
    return np.clip(found[0], -_LARGEST_LOG_SLOPE, _LARGEST_LOG_SLOPE), found[1]


def _offset_at(scaled: NDArray[np.float64], counts: NDArray[np.float64], mean: float) -> float:
    """Returns the offset at which the mean probability is `mean`, by halving an interval."""
    shares = counts / counts.sum()
    used = shares > 0
    low, high = -scaled[used].max() - 50.0, -scaled[used].min() + 50.0
    for _ in range(60):
        middle = (low + high) / 2
        if (shares[used] * _sigmoid(scaled[used] + middle)).sum() > mean:
            high = middle
        else:
            low = middle
    return float(low + high) / 2


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small))
