"""Verifies that a serving model answers tiles of the test records as the exported model did when it was evaluated.

It is asked in a fresh process that loads it like a model server: with TensorFlow and none of our code that made it.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from components.contracts import Evaluation, Manifest, ModelCard
from components.errors import DataError
from components.push.card import PLACES, stored_px_of
from components.push.decided import decided_alike, undecided_at
from components.push.sample import read_sample
from components.push.verify_pixels import check_decoded, check_pixels, of_side
from components.push.verify_places import TOLERANCE, check_dense, check_place_maps
from components.records.shard_records import records_of
from components.records.tile_record import Record
from components.registry.attachments import beside_model
from components.saved_model.answering import DECODED, PIXELS
from components.saved_model.asking import AskedModel, CannotAnswer, asked_model
from components.saved_model.checked_answers import as_probabilities
from components.scoring.risk_control import not_sure

_SAMPLE_TILES = 64
_BATCH_SIZE = 16
_MASKED, _UNMASKED = "masked", "serving_default"
_PIXEL_TILES = 4  # one by one, as tiles may differ in size


def verify_serving_model(
    model_uri: str, card: ModelCard, data_root: str, manifest: Manifest, evaluation: Evaluation
) -> str:
    """Asks a serving model about some test tiles, in a fresh process; returns a line for the log.

    Raises:
      DataError: if its files are not those of its card, it cannot be loaded, or an answer differs from the
        evaluation's.
    """
    try:
        with asked_model(model_uri, card.files, beside=beside_model(card)) as model:
            return _compare_answers(model, model_uri, card, data_root, manifest, evaluation)
    except DataError as error:
        raise DataError(
            f"the serving model of version {card.version} is not the evaluated one, nothing was pushed: {error}"
        ) from error


def _compare_answers(
    model: AskedModel, model_uri: str, card: ModelCard, data_root: str, manifest: Manifest, evaluation: Evaluation
) -> str:
    kept = read_sample(data_root, evaluation, len(card.classes))
    row_of_tile, expected, expected_predicted = kept.row_of_tile, kept.probabilities, kept.predicted
    images_of = model.arguments(_UNMASKED)
    num_tiles, num_decoded, largest = 0, 0, 0.0
    batch: Sequence[Record] = ()
    for batch in sample_batches(data_root, manifest, set(row_of_tile)):
        tile_ids = [record.tile_id for record in batch]
        shape = (len(batch), len(card.classes))
        images = {name: [getattr(record, name) for record in batch] for name in images_of}
        try:
            answer = model.ask(_MASKED, images | {"valid_mask": [record.valid_mask for record in batch]})
            whole = model.ask(_UNMASKED, images)
            by_mask = model.ask(_MASKED, images | {"valid_mask": [b""] * len(batch)})
        except CannotAnswer as error:
            raise DataError(f"it cannot answer tiles {', '.join(tile_ids)}: {error}") from error
        probabilities = as_probabilities(answer, *shape, model_uri)
        of_all, of_mask = (as_probabilities(each, *shape, model_uri) for each in (whole, by_mask))
        _check_names(answer.get("class_names"), card.classes, len(batch))
        predicted = answer.get("predicted")
        if predicted is None or predicted.shape != shape:
            raise DataError(f"its decisions must be [{shape[0]}, {shape[1]}]")
        rows = [row_of_tile[name] for name in tile_ids]
        difference = np.abs(probabilities - expected[rows])  # [n, C]
        if not difference.max() <= TOLERANCE:  # also true for NaN
            worst = tile_ids[int(difference.max(axis=1).argmax())]
            raise DataError(f"it answers tile {worst} {difference.max():.2g} off, expected at most {TOLERANCE:.0e}")
        undecided = undecided_at(expected[rows], card)
        wrong = ~decided_alike(predicted, expected_predicted[rows], expected[rows], card)
        if wrong.any():
            raise DataError(f"its decision for tile {tile_ids[int(wrong.any(axis=1).argmax())]} differs")
        _check_not_sure(answer.get("not_sure"), expected[rows], expected_predicted[rows], undecided, card)
        if not np.abs(of_all - of_mask).max() <= TOLERANCE:
            raise DataError("its signatures differ where every pixel counts")
        if card.dense:
            check_dense(model, model_uri, [(row, record) for row, record in zip(rows, batch, strict=True)], kept)
        # An export of an earlier version has no such functions.
        if not num_tiles and model.has(PLACES):
            check_place_maps(model, model_uri, batch, probabilities, card)
        if not num_tiles and model.has(PIXELS):
            check_pixels(model, model_uri, batch[:_PIXEL_TILES], len(card.classes))
        if model.has(DECODED):
            num_decoded += check_decoded(model, model_uri, batch, answer, card, stored_px_of(manifest))
        num_tiles += len(rows)
        largest = max(largest, float(difference.max()))
    if not num_tiles:
        raise DataError("none of the evaluated tiles is in the test shards")
    if model.has(DECODED) and not num_decoded:
        # Of a dataset whose tiles differ in size, a server may still be sent tiles of the size that is decoded for it.
        made = [of_side(record, card.image_size_px) for record in batch]
        images = {name: [getattr(record, name) for record in made] for name in (*images_of, "valid_mask")}
        check_decoded(model, model_uri, made, model.ask(_MASKED, images), card, stored_px_of(manifest))
    if card.dense and not len(kept.maps):
        raise DataError("the evaluation kept no maps to compare; run the evaluate step again")
    return f"a fresh process answered {num_tiles:,} test tiles as evaluated, at most {largest:.1g} off"


def sample_batches(data_root: str, manifest: Manifest, known: set[str]) -> Iterator[Sequence[Record]]:
    """Yields batches of the first evaluated tiles; a hash deals tiles to shards, so the first are like any others."""
    num_classes = len(manifest.classes)
    records = itertools.chain.from_iterable(
        records_of(data_root, shard, num_classes) for shard in manifest.splits["test"].shards
    )
    chosen = itertools.islice((record for record in records if record.tile_id in known), min(_SAMPLE_TILES, len(known)))
    while batch := list(itertools.islice(chosen, _BATCH_SIZE)):
        yield batch


def _check_names(found: NDArray[np.generic] | None, classes: Sequence[str], num_tiles: int) -> None:
    expected = [name.encode() for name in classes]
    if found is None or found.shape != (num_tiles, len(classes)) or any(list(row) != expected for row in found):
        raise DataError(f"its class names must be {', '.join(classes)} for every tile")


def _check_not_sure(
    found: NDArray[np.generic] | None,
    probabilities: NDArray[np.float32],
    predicted: NDArray[np.bool_],
    undecided: NDArray[np.bool_],
    card: ModelCard,
) -> None:
    """Compares where the model says "not sure" with where it should by its card; arrays [n, C]."""
    if card.not_sure is None:
        return
    if found is None or found.shape != predicted.shape or found.dtype != np.bool_:
        raise DataError(f'it must say for each of {len(card.classes)} classes whether it is "not sure"')
    near = np.abs(probabilities - np.asarray(card.not_sure.low)) <= TOLERANCE
    wrong = (found != not_sure(probabilities, predicted, card.not_sure.low)) & ~undecided & ~near
    if wrong.any():
        raise DataError(f'where it says "not sure" of {card.classes[int(wrong.any(axis=0).argmax())]} differs')
