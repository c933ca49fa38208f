"""The card of a model as it is pushed, and its version. Imports no TensorFlow."""

import hashlib
import json

from components.agrivision import RGB_BANDS
from components.contracts import Decision, Evaluation, Manifest, ModelCard, TrainingReceipt
from components.saved_model.answering import DECODED, PIXELS

PLACES = "maps"  # the signature
_PLACES = (
    "{images} and valid_mask: answers as masked, and adds maps float32 [N, h, w, C], in 0..1: for each place the "
    "probability that the tile would have if all of it were like that place. {average} It is a class-activation map, "
    "which tells what the answer follows from; it does not outline anything."
)
_AVERAGE = {
    "multi_label": "Their log-odds average over the places to those of the tile.",
    "single_label": "Their logarithms average over the places to those of the tile, but for a constant.",
}
_DENSE = (
    "{images} and valid_mask: answers as masked, and adds maps float32 [N, h, w, C]: the probability of each class at "
    "each place, not calibrated. A pixel shows a class where the maps' log-odds, scaled to the tile bilinearly, are "
    "above those of its threshold in dense.thresholds; of several the one furthest above."
)


def model_card(
    receipt: TrainingReceipt, evaluation: Evaluation, content_sha256: str, decision: Decision | None = None
) -> ModelCard:
    """Returns the card of an evaluated model.

    Its version is a hash of weights, graph and settings, and of how its answers follow from its logits.

    Args:
      content_sha256: Of the exported model, from serving.content_digest. The files' own sha256 differ from one export
        of equal weights to the next, so no version follows from them.
    """
    behaviour = {
        "content": content_sha256,
        "training_id": receipt.training_id,
        "manifest_sha256": receipt.manifest_sha256,
        "backbone": receipt.backbone,
        "label_mode": receipt.label_mode,
        "classes": receipt.classes,
        "bands": receipt.bands,
        "image_size_px": receipt.image_size_px,
        "thresholds": evaluation.thresholds,
        "slopes": evaluation.calibration.slopes,
        "offsets": evaluation.calibration.offsets,
        "low": evaluation.not_sure.low if evaluation.not_sure else None,
        "config": receipt.config,
    }
    if evaluation.dense:
        behaviour["place_thresholds"] = evaluation.dense.thresholds
    version = hashlib.sha256(json.dumps(behaviour, sort_keys=True).encode()).hexdigest()[:12]
    images = "rgb" if is_rgb_only(receipt.bands) else "rgb, nir"
    slices = evaluation.slices
    scaled = "; 16 bits scaled to 8 by max_16_bit" if receipt.max_16_bit else ""
    returns = "probabilities float32 [N, C], predicted bool [N, C]"
    pixels = "rgb uint8 [N, H, W, 3], " + ("" if images == "rgb" else "nir uint8 [N, H, W, 1], ")
    if evaluation.not_sure:
        returns += ", not_sure bool [N, C]: where it is neither predicted nor safe to rule out"
    return ModelCard(
        version=version,
        training_id=receipt.training_id,
        manifest_sha256=receipt.manifest_sha256,
        backbone=receipt.backbone,
        label_mode=receipt.label_mode,
        classes=receipt.classes,
        bands=receipt.bands,
        image_size_px=receipt.image_size_px,
        thresholds=evaluation.thresholds,
        calibration=evaluation.calibration,
        not_sure=evaluation.not_sure,
        config=receipt.config,
        scores=evaluation.candidate,
        num_test_tiles=evaluation.num_test_tiles,
        max_16_bit=receipt.max_16_bit,
        decision=decision,
        worst_slice=slices.worst_score if slices and slices.is_worse else None,
        robustness=evaluation.robustness,
        dense=evaluation.dense,
        usage={
            "serving_default": f"{images}: JPEG or PNG bytes of N tiles of any size{scaled}, string [N]; every pixel "
            f"counts. Returns class_names string [N, C], {returns}.",
            "masked": f"{images} and valid_mask: PNG bytes, 255 where a pixel counts, empty if all do, string [N]. "
            "Answers as it was scored.",
            **_of_places(receipt, evaluation, images),
            PIXELS: f"{pixels}and valid uint8 [N, H, W, 1], 0 where a pixel does not count: N decoded tiles of one size"
            f"{scaled}. Returns probabilities float32 [N, C]; with a dense head also maps float32 [N, h, w, C], the "
            "probability of each class at each place.",
            DECODED: f"{pixels}and valid uint8 [N, h, w, 1], 1 where a pixel counts: N tiles of one size, JPEGs scaled "
            "down by the decoder as stored_px and image_size_px say. Answers as masked does about their files.",
        },
    )


def _of_places(receipt: TrainingReceipt, evaluation: Evaluation, images: str) -> dict[str, str]:
    """Returns how to call the signature that answers for places; a dense head that nobody scored has none."""
    if evaluation.dense:
        return {"dense": _DENSE.format(images=images)}
    if receipt.config.get("head", "tile") != "tile":
        return {}
    return {PLACES: _PLACES.format(images=images, average=_AVERAGE[receipt.label_mode])}


def tile_px_of(manifest: Manifest) -> int:
    """Returns the side of the tiles that a dataset was made from, pixels; 0 if they differ or are not known."""
    sides = {side for size in manifest.tile_sizes for side in size.split("x")}
    # Of tiles that were scaled down when they were stored, only the new size is known.
    return int(sides.pop()) if len(sides) == 1 and not manifest.tile_size_px else 0


def stored_px_of(manifest: Manifest) -> int:
    """Returns the side of a dataset's tiles as they are stored, pixels; 0 if they differ or are not square."""
    sides = {side for size in manifest.tile_sizes for side in size.split("x")}
    return int(sides.pop()) if len(sides) == 1 else 0


def is_rgb_only(bands: tuple[str, ...]) -> bool:
    """Tells whether a model takes no NIR."""
    return len(bands) == len(RGB_BANDS)
