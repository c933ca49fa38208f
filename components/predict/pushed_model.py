"""Finds the pushed model that a user means: by its models URI, its version's folder, or a file of either."""

import dataclasses

from components import storage
from components.contracts import ModelCard
from components.errors import DataError, SettingsError
from components.registry import CARD, POINTER, models_uri_of, read_production, version_uri

_SINGLE_LABEL = "single_label"  # such a model predicts the most probable class


@dataclasses.dataclass(frozen=True)
class PushedModel:
    """A model that may be asked; `uri` is its version's folder."""

    uri: str
    card: ModelCard

    @property
    def takes_nir(self) -> bool:
        """Whether a tile needs a NIR image."""
        return "nir" in self.card.bands

    @property
    def thresholds(self) -> tuple[float | None, ...]:
        """The lowest probability that counts as yes, by class; None if the most probable class is the answer."""
        if self.card.label_mode == _SINGLE_LABEL:
            return (None,) * len(self.card.classes)
        return self.card.thresholds

    @property
    def no_below(self) -> tuple[float | None, ...]:
        """The probability below which a class is ruled out, by class; None if the model is never "not sure"."""
        return self.card.not_sure.low if self.card.not_sure else (None,) * len(self.card.classes)


def find_model(uri: str) -> PushedModel:
    """Returns the model in production under a models URI, or the one of a version's folder.

    Raises:
      SettingsError: if there is no model.
      DataError: if its card or the pointer to it cannot be read, or the version in production is gone.
    """
    if uri.endswith(f"/{CARD}"):
        uri = uri.removesuffix(f"/{CARD}")
    in_production = not storage.exists(storage.join(uri, CARD))
    if in_production:
        uri = models_uri_of(uri)
        production, _ = read_production(uri)
        if production is None:
            raise SettingsError(
                f"no model at {uri!r}: it has neither {POINTER} nor {CARD}; expected the models_uri of a pipeline that "
                "pushed, or the folder of one version in it"
            )
        uri = version_uri(uri, production.version)
    card_uri = storage.join(uri, CARD)
    try:
        card = ModelCard.from_json(storage.read_bytes(card_uri), card_uri)
    except FileNotFoundError as error:
        raise DataError(f"the version in production is gone: no {card_uri!r}; roll back or push again") from error
    model = PushedModel(uri, card)
    for name, values in (("threshold", model.thresholds), ("bound of not sure", model.no_below)):
        if len(values) != len(card.classes):
            raise DataError(
                f"{card_uri!r} must have a {name} for each of {len(card.classes)} classes, got {len(values)}; "
                "push the model again"
            )
    return model
