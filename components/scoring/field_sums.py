"""What models did on tiles, as integer sums by field and class: all that scores, intervals and the gate need.

Tiles of one field overlap and err together, so a field is the unit: a tile of unknown field is one of its own. Sums of
integers do not depend on who adds which tiles in which order, so workers may share out the tiles of a split.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.scoring.rank_bins import BinCounts, Edges, add_bins, count_bins, rank_edges


@dataclasses.dataclass(frozen=True)
class Counts:
    """Numbers of tiles, int64 [F, C], or [C] in total.

    Attributes:
      hits: Tiles that have the class and for which it is predicted.
      predicted: Tiles for which it is predicted.
      true: Tiles that have it.
    """

    hits: NDArray[np.int64]
    predicted: NDArray[np.int64]
    true: NDArray[np.int64]

    def totals(self) -> "Counts":
        """Returns the sums over all fields."""
        return Counts(self.hits.sum(axis=0), self.predicted.sum(axis=0), self.true.sum(axis=0))


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a model answered, on N tiles.

    Attributes:
      predicted: The classes that it predicts, [N, C].
      scores: By which it ranks the tiles, of any range, [N, C].
      edges: Of the bins of each class's scores, [C]; the same for all tiles whose sums are to be added.
    """

    predicted: NDArray[np.bool_]
    scores: NDArray[np.float32]
    edges: Sequence[Edges]


@dataclasses.dataclass(frozen=True)
class ModelSums:
    """A model's sums: `hits` and `predicted` int64 [F, C], `bins` [C]."""

    hits: NDArray[np.int64]
    predicted: NDArray[np.int64]
    bins: tuple[BinCounts, ...]


@dataclasses.dataclass(frozen=True)
class AnswerSums:
    """The sums of a split.

    Attributes:
      classes: [C].
      fields: The units, in ascending order, [F].
      num_tiles: int64 [F].
      true: Tiles that have each class, int64 [F, C].
      models: By name, e.g. "candidate".
    """

    classes: tuple[str, ...]
    fields: tuple[str, ...]
    num_tiles: NDArray[np.int64]
    true: NDArray[np.int64]
    models: Mapping[str, ModelSums]

    def counts(self, model: str) -> Counts:
        """Returns the counts of a model."""
        sums = self.models[model]
        return Counts(sums.hits, sums.predicted, self.true)

    @property
    def tiles_sha256(self) -> str:
        """Names the tiles: by class list, fields, and how many tiles of each field have each class; hexadecimal.

        A dataset that grows by training fields keeps it, though it has another manifest.
        """
        digest = hashlib.sha256("\n".join([*self.classes, "", *self.fields, ""]).encode())
        for numbers in (self.num_tiles, self.true):
            digest.update(np.ascontiguousarray(numbers, "<i8").tobytes())
        return digest.hexdigest()


def class_edges(labels: NDArray[np.bool_], scores: NDArray[np.float32]) -> list[Edges]:
    """Returns the edges for each class, [C], from all tiles of a split; `labels` and `scores` are [N, C]."""
    return [rank_edges(scores[:, c][labels[:, c]]) for c in range(labels.shape[1])]


def sum_by_field(values: NDArray[np.bool_], field_of_tile: NDArray[Any], num_fields: int) -> NDArray[np.int64]:
    """Returns the number of tiles by field and class, int64 [F, C].

    Args:
      values: [N, C].
      field_of_tile: The tile's field, in 0..F-1, [N].
    """
    by_class = [np.bincount(field_of_tile[values[:, c]], minlength=num_fields) for c in range(values.shape[1])]
    return np.array(by_class, np.int64).reshape(values.shape[1], num_fields).T.copy()


def count(
    labels: NDArray[np.bool_], predicted: NDArray[np.bool_], field_of_tile: NDArray[Any], num_fields: int
) -> Counts:
    """Returns the counts of predictions; `labels` and `predicted` are [N, C]."""
    hits = [
        sum_by_field((labels[:, c] & predicted[:, c])[:, np.newaxis], field_of_tile, num_fields)
        for c in range(labels.shape[1])
    ]
    others = (sum_by_field(of, field_of_tile, num_fields) for of in (predicted, labels))
    return Counts(np.concatenate([np.zeros((num_fields, 0), np.int64), *hits], axis=1), *others)


def sum_tiles(
    classes: Sequence[str], unit_ids: NDArray[np.str_], labels: NDArray[np.bool_], answers: Mapping[str, Answers]
) -> AnswerSums:
    """Returns the sums of some tiles; `unit_ids` are [N], `labels` [N, C]."""
    fields, field_of_tile = np.unique(unit_ids, return_inverse=True)
    return sum_units(classes, tuple(fields.tolist()), field_of_tile, labels, answers)


def sum_units(
    classes: Sequence[str],
    units: Sequence[str],
    unit_of_tile: NDArray[Any],
    labels: NDArray[np.bool_],
    answers: Mapping[str, Answers],
) -> AnswerSums:
    """Returns the sums of some tiles, one class at a time, so that the arrays may lie on disk.

    Args:
      units: All units of the split, in ascending order, [F]; those without tiles here have sums of 0.
      unit_of_tile: The place of the tile's unit there, [N].
      labels: [N, C].
      answers: By model.
    """
    num_units = len(units)
    models = {}
    for name, model in answers.items():
        counts = count(labels, model.predicted, unit_of_tile, num_units)
        bins = tuple(
            count_bins(labels[:, c], model.scores[:, c], unit_of_tile, edges, num_units)
            for c, edges in enumerate(model.edges)
        )
        models[name] = ModelSums(counts.hits, counts.predicted, bins)
    true = sum_by_field(labels, unit_of_tile, num_units)
    num_tiles = np.bincount(unit_of_tile, minlength=num_units).astype(np.int64)
    return AnswerSums(tuple(classes), tuple(units), num_tiles, true, models)


def join_classes(parts: Sequence[AnswerSums]) -> AnswerSums:
    """Returns the sums of classes that were summed up apart, over the same tiles and models.

    Raises:
      ValueError: if the tiles or the models differ, or there are none.
    """
    if not parts:
        raise ValueError("there are no classes to join")
    first = parts[0]
    for part in parts[1:]:
        if (
            part.fields != first.fields
            or (part.num_tiles != first.num_tiles).any()
            or part.models.keys() != first.models.keys()
        ):
            raise ValueError(f"classes {first.classes} and {part.classes} were summed up over other tiles or models")
    models = {
        name: ModelSums(
            np.concatenate([part.models[name].hits for part in parts], axis=1),
            np.concatenate([part.models[name].predicted for part in parts], axis=1),
            tuple(bins for part in parts for bins in part.models[name].bins),
        )
        for name in first.models
    }
    classes = tuple(name for part in parts for name in part.classes)
    true = np.concatenate([part.true for part in parts], axis=1)
    return AnswerSums(classes, first.fields, first.num_tiles, true, models)


def add_sums(parts: Sequence[AnswerSums]) -> AnswerSums:
    """Returns the sums of all parts together, which may share fields.

    Raises:
      ValueError: if they differ in classes, models or edges, or there are none.
    """
    if not parts:
        raise ValueError("there are no sums to add")
    first = parts[0]
    for part in parts[1:]:
        _check_alike(first, part)
    fields = sorted({field for part in parts for field in part.fields})
    place = {field: number for number, field in enumerate(fields)}
    places = [np.array([place[field] for field in part.fields], np.int64) for part in parts]

    def added(of_parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        total = np.zeros((len(fields), *of_parts[0].shape[1:]), np.int64)
        for where, values in zip(places, of_parts, strict=True):
            total[where] += values  # a part has each field once
        return total

    models = {
        name: ModelSums(
            added([part.models[name].hits for part in parts]),
            added([part.models[name].predicted for part in parts]),
            tuple(
                add_bins([part.models[name].bins[c].moved(at) for part, at in zip(parts, places, strict=True)])
                for c in range(len(first.classes))
            ),
        )
        for name in first.models
    }
    num_tiles, true = added([part.num_tiles for part in parts]), added([part.true for part in parts])
    return AnswerSums(first.classes, tuple(fields), num_tiles, true, models)


def _check_alike(first: AnswerSums, other: AnswerSums) -> None:
    if other.classes != first.classes or other.models.keys() != first.models.keys():
        raise ValueError(
            f"sums of classes {first.classes} and models {tuple(first.models)} cannot be added to sums of classes "
            f"{other.classes} and models {tuple(other.models)}"
        )
    for name, model in first.models.items():
        for one, two in zip(model.bins, other.models[name].bins, strict=True):
            if not np.array_equal(one.edges, two.edges):
                raise ValueError(f"the bins of {name} have other edges; take one set of edges for all tiles of a split")
