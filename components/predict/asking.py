"""Asks a pushed model about tiles, batch by batch. Bad tiles are told apart; the others get their answers."""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from components.contracts import Inventory
from components.errors import DataError
from components.ordered_map import map_in_order, num_threads_for
from components.predict.checked import checked_record, checks_of
from components.predict.pushed_model import PushedModel
from components.predict.tile_files import TileFiles
from components.records.image_header import read_header
from components.records.source_formats import FULL_16_BIT
from components.records.tile_record import Record
from components.registry.attachments import beside_model
from components.saved_model.asking import AskedModel, CannotAnswer, asked_model
from components.saved_model.checked_answers import as_maps, as_probabilities, tiles_with_maps

YES, NO, NOT_SURE = "yes", "no", "not sure"
_MASKED, _DENSE = "masked", "dense"  # the signatures that answer as the model was scored
BATCH_TILES = 32
_BATCH_BYTES = 128 << 20  # of encoded images; a tile may have 64 MiB an image, and one of the dataset has 0.2 MB

_Checked: TypeAlias = tuple[TileFiles, Record | str]


@dataclasses.dataclass(frozen=True)
class ClassAnswer:
    """A model's answer for one class of one tile.

    Attributes:
      probability: 0..1.
      threshold: The lowest probability that counts as yes; None if the most probable class is the answer.
      answer: YES, NO or NOT_SURE.
      no_below: The probability below which a class is ruled out; 0 if it never is. None for a model that an earlier
        version pushed, whose answer is NO wherever it is not YES.
    """

    name: str
    probability: float
    threshold: float | None
    answer: str
    no_below: float | None = None


@dataclasses.dataclass(frozen=True)
class PlacesAnswer:
    """What a dense head says of the places of a tile.

    Attributes:
      maps: Probabilities, float32 [h, w, C].
      height, width: Of the tile, in pixels.
      valid_mask: PNG of that size, 255 where a pixel counts; empty if all do.
    """

    maps: NDArray[np.float32]
    height: int
    width: int
    valid_mask: bytes


@dataclasses.dataclass(frozen=True)
class TileAnswer:
    """The answers for one tile in the order of the model's classes; none if there is a `problem`.

    Attributes:
      places: Only if maps were asked for.
    """

    tile: str
    classes: tuple[ClassAnswer, ...] = ()
    problem: str = ""
    places: PlacesAnswer | None = None


_Reply: TypeAlias = tuple[tuple[ClassAnswer, ...], PlacesAnswer | None] | str


def answers(model: PushedModel, tiles: Iterable[TileFiles], with_maps: bool = False) -> Iterator[TileAnswer]:
    """Yields an answer for each tile, in order; few tiles are in memory at a time.

    The model is loaded when the first good tile is there.

    Args:
      with_maps: Whether to ask for places as well, of a model with a dense head.

    Raises:
      DataError: if the model is not the one that was pushed, cannot be loaded, or breaks down.
    """
    check = functools.partial(_checked, checks_of(model.card.bands, model.card.max_16_bit or FULL_16_BIT))
    with contextlib.ExitStack() as stack:
        checked = stack.enter_context(contextlib.closing(map_in_order(check, tiles, num_threads_for(False))))
        asked: AskedModel | None = None
        most = min(BATCH_TILES, tiles_with_maps(model.card.image_size_px, len(model.card.classes)))
        for batch in _batches(checked, most if with_maps else BATCH_TILES):
            good = [record for _, record in batch if isinstance(record, Record)]
            if good and asked is None:
                asked = stack.enter_context(asked_model(model.uri, model.card.files, beside=beside_model(model.card)))
            replies = iter(ask_each(asked, model, good, with_maps) if asked is not None else [])
            for tile, record in batch:
                reply = record if isinstance(record, str) else next(replies)
                if isinstance(reply, str):
                    yield TileAnswer(tile.name, problem=reply)
                else:
                    yield TileAnswer(tile.name, reply[0], places=reply[1])


def _checked(checks: Inventory, tile: TileFiles) -> _Checked:
    return tile, checked_record(tile, checks)


def _batches(checked: Iterable[_Checked], most_tiles: int) -> Iterator[list[_Checked]]:
    batch: list[_Checked] = []
    num_bytes = 0
    for each in checked:
        record = each[1]
        size = 0 if isinstance(record, str) else len(record.rgb) + len(record.nir) + len(record.valid_mask)
        if batch and (len(batch) == most_tiles or num_bytes + size > _BATCH_BYTES):
            yield batch
            batch, num_bytes = [], 0
        batch.append(each)
        num_bytes += size
    if batch:
        yield batch


def ask_each(asked: AskedModel, model: PushedModel, records: Sequence[Record], with_maps: bool) -> list[_Reply]:
    """Returns a loaded model's answers about checked tiles, or for a tile that it refuses the reason."""
    if not records:
        return []
    try:
        return _ask(asked, model, records, with_maps)
    except CannotAnswer as error:
        if len(records) == 1:
            return [f"model {model.card.version} cannot answer it: {error}"]
    return [reply for record in records for reply in ask_each(asked, model, [record], with_maps)]


def _ask(asked: AskedModel, model: PushedModel, records: Sequence[Record], with_maps: bool) -> list[_Reply]:
    card, shape = model.card, (len(records), len(model.card.classes))
    images = {name: [getattr(record, name) for record in records] for name in ("rgb", "nir", "valid_mask")}
    results = asked.ask(_DENSE if with_maps else _MASKED, images)
    probabilities = as_probabilities(results, *shape, model.uri)
    predicted = results.get("predicted")
    if predicted is None or predicted.shape != shape or predicted.dtype != np.bool_:
        raise DataError(f"model {card.version} must decide on {shape[1]} classes for each of {shape[0]} tiles")
    unsure = _unsure(results, model, shape)
    places = _places(records, as_maps(results, *shape, model.uri)) if with_maps else [None] * len(records)
    replies: list[_Reply] = []
    for row, decisions, doubts, of_tile in zip(
        probabilities.tolist(), predicted.tolist(), unsure.tolist(), places, strict=True
    ):
        if not all(map(math.isfinite, row)):
            replies.append(f"model {card.version} gives no finite probability")
            continue
        of_classes = tuple(
            ClassAnswer(name, probability, threshold, YES if decided else NOT_SURE if doubted else NO, no_below)
            for name, probability, threshold, decided, doubted, no_below in zip(
                card.classes, row, model.thresholds, decisions, doubts, model.no_below, strict=True
            )
        )
        replies.append((of_classes, of_tile))
    return replies


def _places(records: Sequence[Record], maps: NDArray[np.float32]) -> list[PlacesAnswer | None]:
    headers = [read_header(record.rgb) for record in records]
    return [
        PlacesAnswer(of_tile, header.height, header.width, record.valid_mask)
        for record, header, of_tile in zip(records, headers, maps, strict=True)
    ]


def _unsure(
    results: Mapping[str, NDArray[np.generic]], model: PushedModel, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Returns where the model says that it is not sure, bool [N, C]; nowhere for one without bounds."""
    if model.card.not_sure is None:
        return np.zeros(shape, np.bool_)
    found = results.get("not_sure")
    if found is None or found.shape != shape or found.dtype != np.bool_:
        raise DataError(
            f"model {model.card.version} must say for {shape[1]} classes of each of {shape[0]} tiles whether it is "
            "not sure"
        )
    return found.astype(np.bool_, copy=False)
