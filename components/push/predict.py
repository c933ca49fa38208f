"""Classifies one tile with a pushed model."""

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.contracts import ModelCard
from components.errors import DataError, SettingsError
from components.records import jpeg
from components.records.image_header import MAX_FILE_BYTES, DamagedImage
from components.records.mask_png import encode_mask
from components.registry import CARD, POINTER, read_production, version_uri
from components.saved_model.asking import CannotAnswer, as_probabilities, asked_model


@dataclasses.dataclass(frozen=True)
class Prediction:
    """A model's answer for one class; `predicted` is whether the probability reaches the class's threshold."""

    probability: float
    predicted: bool


def predict(
    model_uri: str,
    rgb_path: Path,
    nir_path: Path | None = None,
    boundary_path: Path | None = None,
    mask_path: Path | None = None,
) -> dict[str, Prediction]:
    """Returns a pushed model's answer for one tile, by class.

    Args:
      model_uri: a models URI, for its production model, or the folder of one version.
      rgb_path, nir_path: JPEG or PNG.
      boundary_path, mask_path: PNG, 255 inside the field and where pixels are usable; only pixels with both count.

    Raises:
      SettingsError: if there is no model, or it takes other bands.
      DataError: if a file cannot be read, or the model is not the one that was pushed.
    """
    uri, card = _find_model(model_uri)
    takes_nir = "nir" in card.bands
    if takes_nir != (nir_path is not None):
        needs = "needs a NIR image in addition to RGB" if takes_nir else "takes RGB only, without a NIR image"
        raise SettingsError(f"model {card.version} {needs}; its bands are {', '.join(card.bands)}")
    images = {"rgb": _read_image(rgb_path, 3)[0]} | ({"nir": _read_image(nir_path, 1)[0]} if nir_path else {})
    valid_mask = _valid_mask([path for path in (boundary_path, mask_path) if path is not None])
    inputs = {name: [content] for name, content in (images | {"valid_mask": valid_mask}).items()}
    with asked_model(uri, card.files, beside=CARD) as model:
        try:
            answer = model.ask("masked", inputs)
        except CannotAnswer as error:
            raise DataError(f"model {card.version} cannot decode {str(rgb_path)!r} or its NIR: {error}") from error
    probabilities = as_probabilities(answer, 1, len(card.classes), uri)[0]
    predicted = answer.get("predicted")
    if predicted is None or predicted.shape != (1, len(card.classes)):
        raise DataError(f"model {card.version} must decide on {len(card.classes)} classes for one tile")
    return {
        name: Prediction(float(probability), bool(decided))
        for name, probability, decided in zip(card.classes, probabilities, predicted[0], strict=True)
    }


def _find_model(uri: str) -> tuple[str, ModelCard]:
    if not storage.exists(storage.join(uri, CARD)):
        production, _ = read_production(uri)
        if production is None:
            raise SettingsError(f"no model at {uri!r}: it has neither {POINTER} nor {CARD}")
        uri = version_uri(uri, production.version)
    card_uri = storage.join(uri, CARD)
    try:
        return uri, ModelCard.from_json(storage.read_bytes(card_uri), card_uri)
    except FileNotFoundError as error:
        raise DataError(f"the version in production is gone: no {card_uri!r}; roll back or push again") from error


def _read_image(path: Path, num_bands: int) -> tuple[bytes, NDArray[np.uint8]]:
    """Returns a file's bytes and pixels, uint8 [H, W, num_bands]; what the shard step would reject is refused."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)  # one byte more is enough for the decoder to refuse it
    except OSError as error:
        raise DataError(f"cannot read image {str(path)!r}: {error.strerror or error}") from error
    try:
        return content, jpeg.decode(content, num_bands)
    except DamagedImage as error:
        raise DataError(f"cannot read image {str(path)!r}: {error}; expected a sound JPEG or PNG") from error


def _valid_mask(paths: list[Path]) -> bytes:
    """Returns a PNG that is 255 where all masks are; empty bytes if there are no masks."""
    if not paths:
        return b""
    masks: list[NDArray[np.bool_]] = [_read_image(path, 1)[1][..., 0] > 127 for path in paths]
    if len({mask.shape for mask in masks}) > 1:
        sizes = " and ".join(f"{mask.shape[1]}x{mask.shape[0]}" for mask in masks)
        raise DataError(f"boundary and mask must have the same size, got {sizes} pixels")
    return encode_mask(np.logical_and.reduce(masks))
