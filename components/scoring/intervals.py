"""95 % intervals of all that is shown of a model: each class's scores, and their means over the classes."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from components.f1_score import f1, macro, macro_of_each
from components.scoring.field_sums import AnswerSums, ModelSums
from components.scoring.rank_bins import binned_scores, weighted
from components.scoring.resamples import NUM_RESAMPLES, each_interval, field_weights, interval_of

BY_COUNTS = ("f1", "precision", "recall")
BY_RANK = ("average_precision", "roc_auc")
METRICS = (*BY_COUNTS, *BY_RANK)

Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Intervals:
    """The intervals of one model.

    Attributes:
      per_class: By metric, the interval of each class, [C]. A class without support has [0, 1].
      macro: By metric, that of the mean over the classes that have support.
    """

    per_class: dict[str, list[Interval]]
    macro: dict[str, Interval]


def intervals(
    sums: AnswerSums, estimates: Mapping[str, Mapping[str, NDArray[np.float64]]], num_resamples: int = NUM_RESAMPLES
) -> dict[str, Intervals]:
    """Returns the intervals of the scores of each model.

    Args:
      estimates: By model, the scores of all tiles by metric, [C].
    """
    resampled = resample(sums, tuple(estimates), num_resamples=num_resamples) if sums.fields else {}
    return {model: _intervals(sums, model, estimates[model], values) for model, values in resampled.items()}


def _intervals(
    sums: AnswerSums,
    model: str,
    estimates: Mapping[str, NDArray[np.float64]],
    resampled: Mapping[str, NDArray[np.float64]],
) -> Intervals:
    supported = sums.true.sum(axis=0) > 0
    telling = (sums.true > 0).sum(axis=0)
    binned = _binned(sums.models[model])
    of_class: dict[str, list[Interval]] = {}
    of_macro: dict[str, Interval] = {}
    for metric, values in resampled.items():
        exact = estimates[metric]
        if metric in BY_RANK:  # bins shift a score a little, in all resamples alike
            values = values + (exact - binned[metric])
        of_class[metric] = each_interval(values, exact.tolist(), telling.tolist())
        means = macro_of_each(np.nan_to_num(values), np.isfinite(values))
        of_macro[metric] = interval_of(means, macro(exact, supported), len(sums.fields))
    return Intervals(of_class, of_macro)


def resample(
    sums: AnswerSums, models: tuple[str, ...], metrics: tuple[str, ...] = METRICS, num_resamples: int = NUM_RESAMPLES
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Returns, by model, each metric in each resample of the fields, [R, C]; NaN where a class does not occur.

    All models get the same resamples, so their differences are those of pairs.
    """
    found: dict[str, dict[str, list[NDArray[np.float64]]]] = {model: {name: [] for name in metrics} for model in models}
    by_counts, by_rank = (any(metric in metrics for metric in kind) for kind in (BY_COUNTS, BY_RANK))
    # Whole numbers below 2^24 are exact in float32, which is twice as fast.
    kind = np.float32 if 2 * int(sums.num_tiles.sum()) < 2**24 else np.float64
    of_models = [sums.models[model] for model in models]
    columns = np.concatenate([sums.true, *(of for model in of_models for of in (model.hits, model.predicted))], axis=1)
    for weights in field_weights(len(sums.fields), num_resamples):
        true, *counted = np.split(
            (weights.astype(kind) @ columns.astype(kind)).astype(np.float64), 2 * len(models) + 1, axis=1
        )
        for number, (model, of_model) in enumerate(zip(models, of_models, strict=True)):
            block: dict[str, NDArray[np.float64]] = {}
            if by_counts:
                block |= _count_scores(counted[2 * number], counted[2 * number + 1], true)
            if by_rank:
                block |= _rank_scores(weights, of_model)
            for metric in metrics:
                found[model][metric].append(block[metric])
    return {
        model: {metric: np.concatenate(blocks) for metric, blocks in of_model.items()}
        for model, of_model in found.items()
    }


def _count_scores(
    hits: NDArray[np.float64], predicted: NDArray[np.float64], true: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    occurs = true > 0
    values = (f1(hits, predicted, true), hits / np.maximum(predicted, 1), hits / np.maximum(true, 1))
    return {name: np.where(occurs, value, np.nan) for name, value in zip(BY_COUNTS, values, strict=True)}


def _rank_scores(weights: NDArray[np.float32], model: ModelSums) -> dict[str, NDArray[np.float64]]:
    pairs = [
        binned_scores(counts, bins.by_bin()[1])
        for counts, bins in zip(weighted(model.bins, weights), model.bins, strict=True)
    ]
    return {name: np.stack([pair[i] for pair in pairs], axis=1) for i, name in enumerate(BY_RANK)}


def _binned(model: ModelSums) -> dict[str, NDArray[np.float64]]:
    """Returns the ranking scores of all tiles, as the bins give them, [C]; 0 where they are undefined."""
    pairs = [binned_scores(bins.by_bin()[np.newaxis].astype(np.float32), bins.by_bin()[1]) for bins in model.bins]
    return {name: np.nan_to_num(np.array([pair[i][0] for pair in pairs])) for i, name in enumerate(BY_RANK)}
