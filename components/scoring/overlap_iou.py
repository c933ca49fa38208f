"""The mean IoU of the Agriculture-Vision challenges, for pixels that may have several classes.

The rules, as published for 2020 to 2022 (https://www.agriculture-vision.com, Evaluation metrics): over valid pixels,
for a prediction x and a label set Y, which is background alone where no class is labelled,

    if x is in Y, then M[y, y] += 1 for each y in Y; otherwise M[x, y] += 1 for each y in Y
    IoU_c = M[c, c] / (sum of row c + sum of column c - M[c, c])

and the mean of IoU over background and all scored classes is the score. So one right answer counts for every class of
the pixel, which is why the diagonal can hold more than was predicted. All is counted in integers and can be added:
over tiles to fields, over fields to a split, in any order. A class that is neither labelled nor predicted has 0 / 0; it
is left out of the mean, because the published rules do not define it.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from components.scoring.resamples import NUM_RESAMPLES, field_weights, interval_of

BACKGROUND = 0  # its index; class c of the class list has c + 1, as in the predictions that the challenge takes
_MOST_CLASSES = 15  # a pixel's classes are bits of 16


def pixel_confusion(
    predicted: NDArray[np.uint8],
    labels: Mapping[int, NDArray[np.bool_]],
    valid: NDArray[np.bool_] | None,
    num_classes: int,
) -> NDArray[np.int64]:
    """Returns M of one tile, predicted by true, int64 [C + 1, C + 1].

    Args:
      predicted: One index a pixel, 0 for background and c + 1 for class c, [H, W].
      labels: The pixels of each class that the tile has, by its number in 0..C-1, [H, W].
      valid: The pixels that count, [H, W]; None if all do.
      num_classes: C, without background; at most 15.

    Raises:
      ValueError: If a shape or an index does not fit.
    """
    if not 0 < num_classes <= _MOST_CLASSES:
        raise ValueError(f"the number of classes must be 1 to {_MOST_CLASSES}, got {num_classes}")
    if unknown := [c for c in labels if not 0 <= c < num_classes]:
        raise ValueError(f"a label of class {unknown[0]}, but there are {num_classes}")
    for name, plane in (*((f"label {c}", plane) for c, plane in labels.items()), ("valid", valid)):
        if plane is not None and plane.shape != predicted.shape:
            raise ValueError(f"{name} is {list(plane.shape)}, but the prediction {list(predicted.shape)}")
    size = num_classes + 1
    present = sorted(labels)
    # A pixel's label set as bits of the classes that this tile has: few, so the table of counts is small.
    sets = np.zeros(predicted.shape, np.intp)
    for bit, c in enumerate(present):
        sets |= labels[c].astype(np.intp) << bit
    sets *= size
    sets += predicted
    counted = sets.ravel() if valid is None else sets[valid]
    if (predicted > num_classes).any():
        raise ValueError(f"a prediction above {num_classes}, the last class")
    table = np.bincount(counted, minlength=size << len(present)).reshape(-1, size)  # [sets, C + 1]
    has = np.zeros((len(table), size), np.int64)
    for bit, c in enumerate(present):
        has[:, c + 1] = np.arange(len(table)) >> bit & 1
    has[0, BACKGROUND] = 1
    right = (table * has).sum(axis=1) @ has
    wrong: NDArray[np.int64] = (table * (1 - has)).T @ has
    return wrong + np.diag(right)


def iou(confusion: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the IoU of background and each class, [..., C + 1] in 0..1, for M, [..., C + 1, C + 1]; NaN for 0 / 0."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    union = confusion.sum(axis=-1) + confusion.sum(axis=-2) - hits
    values: NDArray[np.float64] = np.divide(hits, union, out=np.full(hits.shape, np.nan), where=union > 0)
    return values


@dataclasses.dataclass(frozen=True)
class OverlapIou:
    """The score of a model.

    Attributes:
      mean: The mean IoU, 0..1, over what is not left out; 0 if nothing was counted.
      interval: Its 95 % interval, from resamples of the fields.
      by_class: The IoU of background and each class, by name; None for one that is left out.
      intervals: The 95 % intervals of these, from those of the same resamples that have the class; without what is left
        out.
    """

    mean: float
    interval: tuple[float, float]
    by_class: dict[str, float | None]
    intervals: dict[str, tuple[float, float]]

    @property
    def left_out(self) -> tuple[str, ...]:
        """What is neither labelled nor predicted anywhere."""
        return tuple(name for name, value in self.by_class.items() if value is None)


def overlap_iou(classes: Sequence[str], by_field: NDArray[np.int64], num_resamples: int = NUM_RESAMPLES) -> OverlapIou:
    """Returns the score of a split.

    Args:
      classes: In class-list order, without background, [C].
      by_field: The sum of the tiles' M by field, int64 [F, C + 1, C + 1].
    """
    names = ("background", *classes)
    if by_field.shape[1:] != (len(names), len(names)):
        raise ValueError(f"M must be [F, {len(names)}, {len(names)}], got {list(by_field.shape)}")
    values = iou(by_field.sum(axis=0))
    mean = float(_mean(values))
    rows = by_field.reshape(len(by_field), len(names) ** 2).astype(np.float64)
    means, resampled = [np.empty(0)], [np.empty((0, len(names)))]
    for weights in field_weights(len(by_field), num_resamples) if len(by_field) else ():
        confusion = (weights.astype(np.float64) @ rows).reshape(-1, len(names), len(names))
        of_classes = iou(confusion)
        means.append(_mean(of_classes))
        # Of a draw without a field that has the class, what is wrongly predicted as it tells nothing of its IoU.
        resampled.append(np.where(confusion.sum(axis=1) > 0, of_classes, np.nan))
    of_class = np.concatenate(resampled)  # [R, C + 1]
    has = (by_field.sum(axis=1) > 0).sum(axis=0)  # fields where it is labelled, [C + 1]
    by_class = {name: None if np.isnan(value) else float(value) for name, value in zip(names, values, strict=True)}
    return OverlapIou(
        mean=mean,
        interval=interval_of(np.concatenate(means), mean, len(by_field)),
        by_class=by_class,
        intervals={
            name: interval_of(of_class[:, place], value, int(has[place]))
            for place, (name, value) in enumerate(by_class.items())
            if value is not None
        },
    )


def mean_iou(confusion: NDArray[np.int64]) -> float:
    """Returns the mean IoU for M, int64 [C + 1, C + 1], over what is not left out; 0 if nothing was counted."""
    return float(_mean(iou(confusion)))


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the mean of what is defined, [...]; 0 if nothing is."""
    defined = np.isfinite(values)
    means: NDArray[np.float64] = np.where(defined, values, 0.0).sum(axis=-1) / np.maximum(defined.sum(axis=-1), 1)
    return means
