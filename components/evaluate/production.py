"""Starts the model in production, to compare it on the same tiles."""

import contextlib
import dataclasses

from components import storage
from components.contracts import Channel, Manifest, ModelCard
from components.errors import DataError
from components.evaluate.reading.model_column import Answerer, probabilities_of
from components.registry import CARD, POINTER, PRODUCTION, card_uri, channel_uri, version_uri
from components.registry.attachments import beside_model
from components.saved_model.asking import AskedModel, asked_model

_SIGNATURE = "masked"


@dataclasses.dataclass(frozen=True)
class Incumbent:
    """The model in production.

    Attributes:
      version: None if nothing is in production, or the pointer cannot be read.
      card, model, asked: None if the model cannot be compared.
      training_id: Empty if unknown.
      note: Why the model cannot be compared; empty if it can be, or if nothing is in production.
    """

    version: str | None = None
    card: ModelCard | None = None
    model: AskedModel | None = None
    asked: Answerer | None = None
    training_id: str = ""
    note: str = ""


def load_production(models_uri: str, manifest: Manifest, stack: contextlib.ExitStack) -> Incumbent:
    """Starts the model in production; if it is absent, damaged or of another kind, that is a note and not an error.

    Its process begins to load it, while the candidate may still be asked, and lasts as long as `stack`.
    """
    content, _ = storage.read_pointer(channel_uri(models_uri, PRODUCTION))
    if content is None:
        return Incumbent()
    try:
        version = Channel.from_json(content, POINTER).version
    except DataError as error:
        return Incumbent(note=str(error))
    if version is None:
        return Incumbent()
    try:
        card = ModelCard.from_json(storage.read_bytes(card_uri(models_uri, version)), f"{CARD} of {version}")
    except FileNotFoundError:
        return Incumbent(version, note=f"version {version} is not in {models_uri!r}, or has no {CARD}")
    except DataError as error:
        return Incumbent(version, note=str(error))
    if reason := _incomparable(card, version, manifest):
        return Incumbent(version, training_id=card.training_id, note=reason)
    try:
        model = stack.enter_context(
            asked_model(version_uri(models_uri, version), card.files, beside=beside_model(card))
        )
    except DataError as error:
        return Incumbent(version, training_id=card.training_id, note=str(error))
    answer = probabilities_of(model, _SIGNATURE, len(manifest.classes))
    asked = Answerer("production", "probabilities", answer, is_needed=False)
    return Incumbent(version, card, model, asked, card.training_id)


def _incomparable(card: ModelCard, version: str, manifest: Manifest) -> str:
    """Returns why the model of a card cannot be compared on this dataset; empty if it can be."""
    if card.version != version:
        return f"the card of version {version} is that of version {card.version}"
    for name, of_production, of_dataset in (
        ("classes", card.classes, manifest.classes),
        ("bands", card.bands, manifest.bands),
    ):
        if of_production != of_dataset:
            return f"version {version} has the {name} {', '.join(of_production)}, this dataset {', '.join(of_dataset)}"
    if len(card.thresholds) != len(card.classes):
        return f"version {version} has {len(card.thresholds)} thresholds for {len(card.classes)} classes"
    if not card.files:
        return (
            f"version {version} was pushed by an earlier version of this project, whose card names no sha256 of the "
            "model's files; it will be compared again after the next push"
        )
    return ""
