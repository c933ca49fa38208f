"""Finds the pushed model that a user means: by a channel of its models URI, or by its version's folder."""

import dataclasses

from components import storage
from components.contracts import ModelCard
from components.errors import DataError, SettingsError
from components.registry import CARD, POINTER, PRODUCTION, models_uri_of, version_uri
from components.registry.channels import read_channel
from components.registry.layout import channel_names

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


def find_model(uri: str, channel: str = "") -> PushedModel:
    """Returns the model that a channel names, or the one of a version's folder.

    Args:
      uri: A models URI, or the folder of a version, or a file of either.
      channel: Of a models URI; empty for production.

    Raises:
      SettingsError: if there is no model, or no such channel, or a channel is given for one version.
      DataError: if its card or the channel cannot be read, or the version that the channel names is gone.
    """
    if uri.endswith(f"/{CARD}"):
        uri = uri.removesuffix(f"/{CARD}")
    is_version = storage.exists(storage.join(uri, CARD))
    if is_version and channel:
        raise SettingsError(f"{uri!r} is one version, so no channel {channel!r} is asked for it; leave out --channel")
    channel = channel or PRODUCTION
    if not is_version:
        uri = models_uri_of(uri)
        state, _ = read_channel(uri, channel)
        if state is None or state.version is None:
            raise _nothing_in(channel, uri)
        uri = version_uri(uri, state.version)
    card_uri = storage.join(uri, CARD)
    try:
        card = ModelCard.from_json(storage.read_bytes(card_uri), card_uri)
    except FileNotFoundError as error:
        raise DataError(f"the version in {channel} is gone: no {card_uri!r}; roll back or push again") from error
    model = PushedModel(uri, card)
    for name, values in (("threshold", model.thresholds), ("bound of not sure", model.no_below)):
        if len(values) != len(card.classes):
            raise DataError(
                f"{card_uri!r} must have a {name} for each of {len(card.classes)} classes, got {len(values)}; "
                "push the model again"
            )
    return model


def _nothing_in(channel: str, uri: str) -> SettingsError:
    if channel == PRODUCTION:
        return SettingsError(
            f"no model at {uri!r}: it has neither {POINTER} nor {CARD}; expected the models_uri of a pipeline that "
            "pushed, or the folder of one version in it"
        )
    there = ", ".join(channel_names(uri)) or "none"
    return SettingsError(f"nothing is in channel {channel!r} of {uri!r}; its channels are: {there}")
