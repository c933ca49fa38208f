"""Loads the model in production, to compare it on the same tiles."""

import dataclasses

from components import storage
from components.contracts import Manifest, ModelCard, Production
from components.errors import DataError
from components.evaluate.predictions import Answer, load_saved_model
from components.registry import CARD, POINTER, card_uri, pointer_uri, version_uri


@dataclasses.dataclass(frozen=True)
class Incumbent:
    """The model in production.

    Attributes:
      version: None if nothing is in production, or the pointer cannot be read.
      card, answer: None if the model cannot be compared.
      training_id: Empty if unknown.
      note: Why the model cannot be compared; empty if it can be, or if nothing is in production.
    """

    version: str | None = None
    card: ModelCard | None = None
    answer: Answer | None = None
    training_id: str = ""
    note: str = ""


def load_production(models_uri: str, manifest: Manifest) -> Incumbent:
    """Loads the model in production; if it is absent, damaged or of another kind, that is a note and not an error."""
    content, _ = storage.read_pointer(pointer_uri(models_uri))
    if content is None:
        return Incumbent()
    try:
        version = Production.from_json(content, POINTER).version
    except DataError as error:
        return Incumbent(note=str(error))
    try:
        card = ModelCard.from_json(storage.read_bytes(card_uri(models_uri, version)), f"{CARD} of {version}")
    except FileNotFoundError:
        return Incumbent(version, note=f"version {version} is not in {models_uri!r}, or has no {CARD}")
    except DataError as error:
        return Incumbent(version, note=str(error))
    for name, of_production, of_dataset in (
        ("classes", card.classes, manifest.classes),
        ("bands", card.bands, manifest.bands),
    ):
        if of_production != of_dataset:
            note = f"version {version} has the {name} {', '.join(of_production)}, this dataset {', '.join(of_dataset)}"
            return Incumbent(version, training_id=card.training_id, note=note)
    try:
        model = load_saved_model(version_uri(models_uri, version))
        masked = model.signatures["masked"]
    except KeyError:
        return Incumbent(version, training_id=card.training_id, note=f"version {version} has no signature 'masked'")
    except DataError as error:
        return Incumbent(version, training_id=card.training_id, note=str(error))
    takes_nir = "nir" in masked.structured_input_signature[1]

    def answer(rgb: object, nir: object, valid_mask: object) -> object:
        bands = {"rgb": rgb, "nir": nir} if takes_nir else {"rgb": rgb}
        return model.signatures["masked"](**bands, valid_mask=valid_mask)["probabilities"]

    return Incumbent(version, card, answer, card.training_id)
