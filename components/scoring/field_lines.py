"""The sums by field as text: a line that names classes and edges, and a JSON line for each field, in order."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.scoring.field_sums import AnswerSums, Counts
from components.scoring.rank_bins import BinCounts

_MOST_TILES = 10**12  # of a field; so no sum over fields overflows
_CELLS_AT_ONCE = 1 << 18  # as Python's numbers each takes some 120 bytes


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line; `edges` are by model and class."""

    classes: tuple[str, ...]
    edges: dict[str, tuple[tuple[float, ...], ...]]


class _Model(msgspec.Struct, frozen=True):
    """A model in a field: numbers by class, and for each class (bin * 2 + has the class, tiles) of what is not 0."""

    hits: tuple[int, ...]
    predicted: tuple[int, ...]
    bins: tuple[tuple[tuple[int, int], ...], ...]


class _Field(msgspec.Struct, frozen=True):
    """A field's line."""

    field: str
    tiles: int
    true: tuple[int, ...]
    models: dict[str, _Model]


def to_lines(sums: AnswerSums) -> Iterator[bytes]:
    """Yields the lines, each with its newline; equal sums give equal bytes."""
    encoder = msgspec.json.Encoder(order="sorted")
    edges = {
        name: tuple(tuple(of_class.edges.astype(float).tolist()) for of_class in model.bins)
        for name, model in sums.models.items()
    }
    yield encoder.encode(_Head(sums.classes, edges)) + b"\n"
    num_cells = sum(len(bins.cells) for model in sums.models.values() for bins in model.bins)
    at_once = max(1, len(sums.fields) * _CELLS_AT_ONCE // max(num_cells, 1))
    for first in range(0, len(sums.fields), at_once):
        fields = range(first, min(first + at_once, len(sums.fields)))
        cells = {name: [_by_field(bins, fields) for bins in model.bins] for name, model in sums.models.items()}
        for f in fields:
            models = {
                name: _Model(
                    tuple(model.hits[f].tolist()),
                    tuple(model.predicted[f].tolist()),
                    tuple(of_class[f - first] for of_class in cells[name]),
                )
                for name, model in sums.models.items()
            }
            line = _Field(sums.fields[f], int(sums.num_tiles[f]), tuple(sums.true[f].tolist()), models)
            yield encoder.encode(line) + b"\n"


def _by_field(bins: BinCounts, fields: range) -> list[tuple[tuple[int, int], ...]]:
    """Returns the cells of each of some fields that follow each other, [F]."""
    bounds = np.searchsorted(bins.cells, np.arange(fields.start, fields.stop + 1) * (2 * bins.num_bins))
    here = slice(bounds[0], bounds[-1])
    has, of_bin = np.divmod(bins.cells[here] % (2 * bins.num_bins), bins.num_bins)
    pairs = list(zip((of_bin * 2 + has).tolist(), bins.counts[here].tolist(), strict=True))
    return [tuple(pairs[start:end]) for start, end in itertools.pairwise((bounds - bounds[0]).tolist())]


class _FieldCounts(msgspec.Struct, frozen=True):
    """A field's line without its bins."""

    field: str
    tiles: int
    true: tuple[int, ...]
    models: dict[str, "_ModelCounts"]


class _ModelCounts(msgspec.Struct, frozen=True):
    hits: tuple[int, ...]
    predicted: tuple[int, ...]


def counts_from_lines(lines: Iterable[bytes]) -> tuple[tuple[str, ...], dict[str, Counts]]:
    """Returns the classes and each model's counts, and leaves out the bins, which take most of the room.

    Raises:
      ValueError: if the lines are not those of to_lines.
    """
    rows = iter(lines)
    try:
        head = msgspec.json.decode(next(rows, b""), type=_Head)
        decoder = msgspec.json.Decoder(_FieldCounts)
        fields = [decoder.decode(row) for row in rows]
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"a line is not of sums by field: {error}") from error
    num_classes = len(head.classes)
    if any(row.models.keys() != head.edges.keys() for row in fields):
        raise ValueError("a field has other models than the first line")
    true = _array([row.true for row in fields], num_classes)
    counts = {
        name: Counts(
            _array([row.models[name].hits for row in fields], num_classes),
            _array([row.models[name].predicted for row in fields], num_classes),
            true,
        )
        for name in head.edges
    }
    _checked_tiles(head, fields, counts)
    return head.classes, counts


def _checked_tiles(head: _Head, fields: Sequence[_FieldCounts], counts: Mapping[str, Counts]) -> NDArray[np.int64]:
    """Returns the number of tiles of each field, int64 [F].

    Raises:
      ValueError: if a class or a field is there twice, or more tiles are counted than there are.
    """
    if len(set(head.classes)) < len(head.classes):
        raise ValueError("a class is there twice")
    names = [row.field for row in fields]
    if names != sorted(set(names)):
        raise ValueError("the fields are not in order, or one has two lines")
    tiles = _array([(row.tiles,) for row in fields], 1)  # [F, 1]
    if (tiles > _MOST_TILES).any():
        raise ValueError(f"a field has more than {_MOST_TILES:,} tiles")
    for name, of_model in counts.items():
        if (of_model.hits > np.minimum(of_model.predicted, of_model.true)).any():
            raise ValueError(f"{name} has more hits than tiles predicted or true")
        if (np.maximum(of_model.predicted, of_model.true) > tiles).any():
            raise ValueError(f"{name} has more tiles predicted or true than a field has")
    return tiles[:, 0]


def _array(rows: list[tuple[int, ...]], num_classes: int) -> NDArray[np.int64]:
    if any(len(row) != num_classes for row in rows):
        raise ValueError(f"a field has numbers of another number of classes than {num_classes}")
    try:
        array = np.array(rows, np.int64).reshape(len(rows), num_classes)
    except OverflowError as error:
        raise ValueError(f"a count is out of range: {error}") from error
    if (array < 0).any():
        raise ValueError("a count is below 0")
    return array
