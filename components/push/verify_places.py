"""Verifies what a serving model says of the places of a tile: a dense head's maps, or those that explain an answer."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.contracts import ModelCard
from components.errors import DataError
from components.push.card import PLACES
from components.push.sample import KeptAnswers
from components.records.tile_record import Record
from components.saved_model.asking import AskedModel, CannotAnswer
from components.saved_model.checked_answers import as_maps, as_probabilities, tiles_with_maps

TOLERANCE = 1e-5
_DENSE = "dense"
_AVERAGE_TOLERANCE = 0.02  # of log-odds, from probabilities that have 24 bits
_FAR_FROM_CERTAIN = 1e-4  # beyond which those bits are too few
_IMAGES = ("rgb", "nir", "valid_mask")


def check_place_maps(
    model: AskedModel,
    model_uri: str,
    records: Sequence[Record],
    probabilities: NDArray[np.float32],
    card: ModelCard,
) -> None:
    """Compares what the signature `maps` says of tiles with their probabilities, and with its own maps.

    Args:
      records: The tiles, n or more than may be asked about at once.
      probabilities: Of the tiles, by the signature that is scored, [n, C].

    Raises:
      DataError: if it answers otherwise, its maps are no probabilities, or they do not average to those of the tiles.
    """
    records = records[: tiles_with_maps(card.image_size_px, len(card.classes))]
    num_tiles, num_classes = len(records), len(card.classes)
    try:
        answer = model.ask(PLACES, {name: [getattr(each, name) for each in records] for name in _IMAGES})
    except CannotAnswer as error:
        names = ", ".join(each.tile_id for each in records)
        raise DataError(f"it cannot answer for the places of tiles {names}: {error}") from error
    of_tiles = as_probabilities(answer, num_tiles, num_classes, model_uri)
    maps = as_maps(answer, num_tiles, num_classes, model_uri).astype(np.float64)
    difference = np.abs(of_tiles - probabilities[:num_tiles]).max()
    if not difference <= TOLERANCE:
        raise DataError(f"its signature {PLACES!r} answers {difference:.2g} off, expected at most {TOLERANCE:.0e}")
    if not ((maps >= 0) & (maps <= 1)).all():
        raise DataError(f"the maps of its signature {PLACES!r} must be between 0 and 1")
    is_far = np.all((maps > _FAR_FROM_CERTAIN) & (maps < 1 - _FAR_FROM_CERTAIN), axis=(1, 2), keepdims=True)[:, 0, 0]
    if card.label_mode == "single_label":
        is_far = np.all(is_far, axis=1, keepdims=True)  # each answer follows from all maps
        means = np.exp(np.log(np.maximum(maps, np.finfo(np.float32).tiny)).mean(axis=(1, 2)))
        apart = np.abs(means / means.sum(axis=1, keepdims=True) - of_tiles)
    else:
        apart = np.abs(_log_odds(maps).mean(axis=(1, 2)) - _log_odds(of_tiles))
    wrong = is_far & ~(apart <= _AVERAGE_TOLERANCE)
    if wrong.any():
        tile, number = (int(at) for at in np.argwhere(wrong)[0])
        raise DataError(
            f"the map of {card.classes[number]} of tile {records[tile].tile_id} does not average to its answer"
        )


def _log_odds(values: NDArray[np.floating]) -> NDArray[np.float64]:
    inside = np.clip(np.asarray(values, np.float64), _FAR_FROM_CERTAIN, 1 - _FAR_FROM_CERTAIN)
    return np.asarray(np.log(inside / (1 - inside)))


def check_dense(model: AskedModel, model_uri: str, tiles: Sequence[tuple[int, Record]], kept: KeptAnswers) -> None:
    """Compares what it says of tiles and places with what the evaluation kept, which of places is of few tiles only.

    Args:
      tiles: Rows of `kept`, and their records.

    Raises:
      DataError: if an answer differs, or it cannot answer.
    """
    tiles = [(row, record) for row, record in tiles if row < len(kept.maps)]
    if not tiles:
        return
    names = [record.tile_id for _, record in tiles]
    images = {name: [getattr(record, name) for _, record in tiles] for name in _IMAGES}
    try:
        answer = model.ask(_DENSE, images)
    except CannotAnswer as error:
        raise DataError(f"it cannot answer for the places of tiles {', '.join(names)}: {error}") from error
    num_classes = kept.probabilities.shape[1]
    rows = [row for row, _ in tiles]
    probabilities = as_probabilities(answer, len(tiles), num_classes, model_uri)
    maps = as_maps(answer, len(tiles), num_classes, model_uri)
    expected = 1 / (1 + np.exp(-kept.maps[rows].astype(np.float64)))
    if maps.shape != expected.shape:
        raise DataError(f"its maps are {list(maps.shape)}, expected {list(expected.shape)}")
    for what, difference in (("places", maps - expected), ("answers", probabilities - kept.probabilities[rows])):
        if not np.abs(difference).max() <= TOLERANCE:
            raise DataError(
                f"its signature {_DENSE!r} gives {what} of tiles {', '.join(names)} up to "
                f"{np.abs(difference).max():.2g} off, expected at most {TOLERANCE:.0e}"
            )
