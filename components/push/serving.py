"""The model as served: encoded images in; probabilities, decisions and class names out."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from components.agrivision import RGB_BANDS
from components.contracts import Evaluation, ModelCard, TrainingReceipt
from components.registry import CARD

# The checkpoint's bookkeeping, which holds node numbers, not weights.
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def weights_digest(exported_dir: Path) -> str:
    """Returns the sha256 of the names, shapes, types and values of a SavedModel's variables.

    It does not hash the files, because their bytes differ from one export to the next.
    """
    reader = tf.train.load_checkpoint(str(exported_dir / "variables" / "variables"))
    digest = hashlib.sha256()
    for name, shape in sorted(reader.get_variable_to_shape_map().items()):
        if name != _OBJECT_GRAPH:
            value = reader.get_tensor(name)
            digest.update(f"{name} {shape} {value.dtype}\n".encode())
            digest.update(value.tobytes())
    return digest.hexdigest()


def model_card(receipt: TrainingReceipt, evaluation: Evaluation, weights_sha256: str) -> ModelCard:
    """Returns the card of an evaluated model; its version is a hash of weights, settings and thresholds."""
    behaviour = {
        "weights": weights_sha256,
        "training_id": receipt.training_id,
        "manifest_sha256": receipt.manifest_sha256,
        "backbone": receipt.backbone,
        "label_mode": receipt.label_mode,
        "classes": receipt.classes,
        "bands": receipt.bands,
        "image_size_px": receipt.image_size_px,
        "thresholds": evaluation.thresholds,
        "config": receipt.config,
    }
    version = hashlib.sha256(json.dumps(behaviour, sort_keys=True).encode()).hexdigest()[:12]
    images = "rgb" if _is_rgb_only(receipt.bands) else "rgb, nir"
    returns = "probabilities float32 [N, C], predicted bool [N, C], class_names string [N, C]"
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
        config=receipt.config,
        scores=evaluation.candidate,
        num_test_tiles=evaluation.num_test_tiles,
        usage={
            "serving_default": f"{images}: JPEG or PNG bytes of N tiles of any size, string [N]; every pixel counts. "
            f"Returns {returns}.",
            "masked": f"{images} and valid_mask: PNG bytes, 255 where a pixel counts, empty if all do, string [N]. "
            "Answers as it was scored.",
        },
    )


def save_serving_model(exported_dir: Path, card: ModelCard, target: Path) -> None:
    """Wraps an exported model into a SavedModel with the signatures that its card describes, and adds the card.

    Thresholds and class names become constants in the model; the exported model already includes preprocessing.
    """
    exported = tf.saved_model.load(str(exported_dir))
    module = tf.Module()
    module.exported = exported  # tracked, so that its variables are saved
    strings = tf.TensorSpec([None], tf.string)
    answer = _answer(exported, card)
    serving_default: Callable[..., Any]
    masked: Callable[..., Any]

    if _is_rgb_only(card.bands):

        def serving_default(rgb: Any) -> Any:
            return answer(rgb, _empty(rgb), _empty(rgb))

        def masked(rgb: Any, valid_mask: Any) -> Any:
            return answer(rgb, _empty(rgb), valid_mask)

        inputs: tuple[str, ...] = ("rgb",)
    else:

        def serving_default(rgb: Any, nir: Any) -> Any:
            return answer(rgb, nir, _empty(rgb))

        def masked(rgb: Any, nir: Any, valid_mask: Any) -> Any:
            return answer(rgb, nir, valid_mask)

        inputs = ("rgb", "nir")

    def signature(function: Callable[..., Any], names: tuple[str, ...]) -> Any:
        specs = [tf.TensorSpec(strings.shape, strings.dtype, name) for name in names]
        return tf.function(function).get_concrete_function(*specs)

    signatures = {
        "serving_default": signature(serving_default, inputs),
        "masked": signature(masked, (*inputs, "valid_mask")),
    }
    tf.saved_model.save(module, str(target), signatures=signatures)
    card.write(target / CARD)


def _answer(exported: Any, card: ModelCard) -> Callable[[Any, Any, Any], dict[str, Any]]:
    def answer(rgb: Any, nir: Any, valid_mask: Any) -> dict[str, Any]:
        probabilities = tf.ensure_shape(exported.predict_encoded(rgb, nir, valid_mask), [None, len(card.classes)])
        if card.label_mode == "single_label":
            predicted = tf.one_hot(tf.argmax(probabilities, axis=-1), len(card.classes), True, False, dtype=tf.bool)
        else:
            predicted = probabilities >= tf.constant(card.thresholds, tf.float32)
        # One row of names per tile: a model server splits every output by tile.
        class_names = tf.broadcast_to(tf.constant(card.classes), tf.shape(probabilities))
        return {"probabilities": probabilities, "predicted": predicted, "class_names": class_names}

    return answer


def _empty(rgb: Any) -> Any:
    return tf.fill(tf.shape(rgb), "")


def _is_rgb_only(bands: tuple[str, ...]) -> bool:
    return len(bands) == len(RGB_BANDS)
