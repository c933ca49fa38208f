"""The card of a model that is not there."""

from components.contracts import ModelCard, Scores


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
