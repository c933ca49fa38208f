"""Verifies the two signatures of a serving model that take pixels: about whole tiles, and about what a decoder made."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.contracts import ModelCard
from components.errors import DataError
from components.push.decided import undecided_at
from components.push.verify_places import TOLERANCE
from components.records.mask_png import encode_mask
from components.records.source_image import as_png
from components.records.tile_pixels import TilePixels, model_pixels, ratio_and_side, tile_pixels
from components.records.tile_record import Record
from components.saved_model.answering import DECODED, PIXELS
from components.saved_model.asking import AskedModel, CannotAnswer
from components.saved_model.checked_answers import as_probabilities

_MASKED = "masked"


def check_pixels(model: AskedModel, model_uri: str, records: Sequence[Record], num_classes: int) -> None:
    """Compares what the model says of decoded tiles with what it says of the same pixels as PNG.

    Raises:
      DataError: if it answers otherwise.
    """
    for record in records:
        decoded = tile_pixels(record)
        images = {"rgb": [as_png(decoded.rgb)], "valid_mask": [record.valid_mask]}
        if decoded.nir is not None:
            images["nir"] = [as_png(decoded.nir)]
        answers = model.ask_pixels(PIXELS, _stacked([decoded])), model.ask(_MASKED, images)
        of_pixels, of_png = (as_probabilities(each, 1, num_classes, model_uri) for each in answers)
        if not np.abs(of_pixels - of_png).max() <= TOLERANCE:
            raise DataError(f"its answers about the pixels of tile {record.tile_id} differ from those about its files")


def check_decoded(
    model: AskedModel,
    model_uri: str,
    records: Sequence[Record],
    answer: dict[str, NDArray[np.generic]],
    card: ModelCard,
    stored_px: int,
) -> int:
    """Compares what the model says of tiles that were decoded for it with what it says of their files.

    Args:
      answer: What it says of their files.
      stored_px: As in the card.

    Returns:
      The number of tiles that were compared: those of the usual size.

    Raises:
      DataError: if it answers otherwise, or cannot.
    """
    ratio, side = ratio_and_side(stored_px, card.image_size_px)
    tiles = [model_pixels(record, ratio, card.image_size_px) for record in records]
    rows = [row for row, tile in enumerate(tiles) if tile.rgb.shape[:2] == (side, side)]
    if not rows:
        return 0
    names = [records[row].tile_id for row in rows]
    try:
        found = model.ask_pixels(DECODED, _stacked([tiles[row] for row in rows]))
    except CannotAnswer as error:
        raise DataError(f"it cannot answer about the decoded tiles {', '.join(names)}: {error}") from error
    num_classes = len(card.classes)
    expected = as_probabilities(answer, len(records), num_classes, model_uri)[rows]
    difference = np.abs(as_probabilities(found, len(rows), num_classes, model_uri) - expected).max(axis=1)
    if not difference.max() <= TOLERANCE:  # also true for NaN
        raise DataError(
            f"its signature {DECODED!r} answers tile {names[int(difference.argmax())]} {difference.max():.2g} off, "
            f"expected at most {TOLERANCE:.0e}"
        )
    may_differ = undecided_at(expected, card)
    if card.not_sure:
        may_differ = may_differ | (np.abs(expected - np.asarray(card.not_sure.low)) <= TOLERANCE)
    for name in sorted({*answer} - {"probabilities"}):
        values, wanted = found.get(name), answer[name][rows]
        excused = may_differ & (name != "class_names")
        if (
            values is None
            or (values.shape, values.dtype) != (wanted.shape, wanted.dtype)
            or ((values != wanted) & ~excused).any()
        ):
            raise DataError(f"its signature {DECODED!r} gives other {name} than its signature {_MASKED!r}")
    return len(rows)


def of_side(record: Record, side_px: int) -> Record:
    """Returns a tile that is cut or repeated to a square of a side, pixels; as PNG, and with the same name."""
    whole = tile_pixels(record)
    rows, columns = (np.arange(side_px)[:, np.newaxis] % whole.rgb.shape[0], np.arange(side_px) % whole.rgb.shape[1])
    nir = b"" if whole.nir is None else as_png(whole.nir[rows, columns])
    valid = encode_mask(whole.valid[rows, columns, 0] > 0)
    return dataclasses.replace(record, rgb=as_png(whole.rgb[rows, columns]), nir=nir, valid_mask=valid)


def _stacked(tiles: Sequence[TilePixels]) -> dict[str, NDArray[np.uint8]]:
    """Returns tiles of one size as the arguments of a signature."""
    parts = {name: [getattr(tile, name) for tile in tiles] for name in TilePixels._fields}
    return {name: np.stack(arrays) for name, arrays in parts.items() if arrays[0] is not None}
