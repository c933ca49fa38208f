"""The card of a model that is not there."""

import msgspec

from components import storage
from components.contracts import ModelCard, Scores
from components.registry import card_uri
from components.registry.channels import read_channel


def card_of(version: str) -> ModelCard:
    return ModelCard(
        version=version,
        training_id="t",
        manifest_sha256="0" * 64,
        backbone="small",
        label_mode="multi_label",
        classes=("water",),
        bands=("red", "green", "blue"),
        image_size_px=64,
        thresholds=(0.5,),
        config={},
        scores=Scores(macro_f1=0.5, macro_precision=0.5, macro_recall=0.5, map=0.5, per_class={}),
        num_test_tiles=1,
        usage={},
    )


def served(models_uri: str, channel: str = "production") -> tuple[str | None, str | None, tuple[str, ...]]:
    """What a channel names: its version, the one before, and the earlier ones."""
    state, _ = read_channel(models_uri, channel)
    assert state is not None
    return state.version, state.previous, state.earlier


def publish(models_uri: str, *versions: str, **of_card: str) -> None:
    """Puts versions under a models URI, without a model and in no channel."""
    for version in versions:
        card = msgspec.structs.replace(card_of(version), **of_card)
        storage.write_bytes(card_uri(models_uri, version), card.to_json())
