"""The model as served: encoded images in; probabilities, decisions and class names out."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from components.contracts import ModelCard
from components.push.card import is_rgb_only
from components.saved_model.allowed_ops import read_graph
from components.saved_model.answering import PIXELS, load_checked
from components.saved_model.graph_digest import graph_digest

# The checkpoint's bookkeeping, which holds node numbers, not weights.
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def content_digest(exported_dir: Path) -> str:
    """Returns the sha256 of a SavedModel's graph, and of the names, shapes, types and values of its variables.

    It does not hash the files, because their bytes differ from one export to the next.

    Raises:
      DataError: if the graph is damaged, or may not be loaded.
    """
    digest = hashlib.sha256(graph_digest(read_graph(exported_dir)).encode())
    reader = tf.train.load_checkpoint(str(exported_dir / "variables" / "variables"))
    for name, shape in sorted(reader.get_variable_to_shape_map().items()):
        if name != _OBJECT_GRAPH:
            value = reader.get_tensor(name)
            digest.update(f"{name} {shape} {value.dtype}\n".encode())
            digest.update(value.tobytes())
    return digest.hexdigest()


def save_serving_model(exported_dir: Path, card: ModelCard, target: Path) -> None:
    """Wraps an exported model into a SavedModel with the signatures that its card describes.

    Calibration, thresholds, bounds and class names become constants in the model; the exported model already includes
    preprocessing.

    Raises:
      DataError: if the exported model may not be loaded.
    """
    exported = load_checked(exported_dir)
    module = tf.Module()
    module.exported = exported  # tracked, so that its variables are saved
    strings = tf.TensorSpec([None], tf.string)
    answer = _answer(exported, card)
    serving_default: Callable[..., Any]
    masked: Callable[..., Any]

    if is_rgb_only(card.bands):

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
    if card.dense:
        signatures["dense"] = signature(_dense(exported, card), (*inputs, "valid_mask"))
    if hasattr(exported, PIXELS):  # else it is of an earlier version
        signatures[PIXELS] = _pixels(exported, card)
    tf.saved_model.save(module, str(target), signatures=signatures)


def _dense(exported: Any, card: ModelCard) -> Callable[..., dict[str, Any]]:
    """Returns the signature that answers for places, too: from the same pass through the network."""
    decide, num_classes = _decided(card), len(card.classes)

    def answer(rgb: Any, nir: Any, valid_mask: Any) -> dict[str, Any]:
        found = exported.dense_encoded(rgb, nir, valid_mask)
        maps = tf.sigmoid(tf.ensure_shape(found["maps"], [None, None, None, num_classes]))
        return decide(calibrated_probabilities(found["logits"], card)) | {"maps": maps}

    def dense(rgb: Any, nir: Any, valid_mask: Any) -> dict[str, Any]:
        return answer(rgb, nir, valid_mask)

    def dense_of_rgb(rgb: Any, valid_mask: Any) -> dict[str, Any]:
        return answer(rgb, _empty(rgb), valid_mask)

    return dense_of_rgb if is_rgb_only(card.bands) else dense


def _answer(exported: Any, card: ModelCard) -> Callable[[Any, Any, Any], dict[str, Any]]:
    decide = _decided(card)

    def answer(rgb: Any, nir: Any, valid_mask: Any) -> dict[str, Any]:
        return decide(_probabilities(exported, card, rgb, nir, valid_mask))

    return answer


def _decided(card: ModelCard) -> Callable[[Any], dict[str, Any]]:
    """Returns the function from calibrated probabilities, [N, C], to all that a model says of tiles."""

    def decided(probabilities: Any) -> dict[str, Any]:
        if card.label_mode == "single_label":
            predicted = tf.one_hot(tf.argmax(probabilities, axis=-1), len(card.classes), True, False, dtype=tf.bool)
        else:
            predicted = probabilities >= tf.constant(card.thresholds, tf.float32)
        # One row of names per tile: a model server splits every output by tile.
        class_names = tf.broadcast_to(tf.constant(card.classes), tf.shape(probabilities))
        answers = {"probabilities": probabilities, "predicted": predicted, "class_names": class_names}
        if card.not_sure is None:
            return answers
        is_possible = probabilities >= tf.constant(card.not_sure.low, tf.float32)
        return answers | {"not_sure": is_possible & ~predicted}

    return decided


def _pixels(exported: Any, card: ModelCard) -> Any:
    """Returns the signature that takes pixels, and with a dense head also answers for each place."""

    def answer(rgb: Any, nir: Any, valid: Any) -> dict[str, Any]:
        found = exported.pixels(rgb, nir, valid)
        logits = tf.ensure_shape(found["logits"], [None, len(card.classes)])
        answers = {"probabilities": calibrated_probabilities(logits, card)}
        if "maps" in found:
            # As the maps were scored: each class by itself, and without the calibration, which is for whole tiles.
            answers["maps"] = tf.sigmoid(found["maps"])
        return answers

    def rgb_only(rgb: Any, valid: Any) -> dict[str, Any]:
        return answer(rgb, rgb[..., :1], valid)

    counts = {"rgb": 3, "nir": 1, "valid": 1}
    if is_rgb_only(card.bands):
        del counts["nir"]
    specs = [tf.TensorSpec([None, None, None, count], tf.uint8, name) for name, count in counts.items()]
    return tf.function(answer if "nir" in counts else rgb_only).get_concrete_function(*specs)


def _probabilities(exported: Any, card: ModelCard, rgb: Any, nir: Any, valid_mask: Any) -> Any:
    shape = [None, len(card.classes)]
    if not card.calibration.slopes:  # of an earlier version
        return tf.ensure_shape(exported.predict_encoded(rgb, nir, valid_mask), shape)
    return calibrated_probabilities(tf.ensure_shape(exported.logits_encoded(rgb, nir, valid_mask), shape), card)


def calibrated_probabilities(logits: Any, card: ModelCard) -> Any:
    """Returns the probabilities of logits, float32 [N, C], as components/scoring/calibration.py computes them."""
    logits = tf.ensure_shape(logits, [None, len(card.classes)])
    if not card.calibration.slopes:  # of an earlier version
        return tf.nn.softmax(logits) if card.label_mode == "single_label" else tf.sigmoid(logits)
    slopes, offsets = (tf.constant(of, tf.float32) for of in (card.calibration.slopes, card.calibration.offsets))
    scaled = logits * slopes + offsets
    return tf.nn.softmax(scaled) if card.label_mode == "single_label" else tf.sigmoid(scaled)


def _empty(rgb: Any) -> Any:
    return tf.fill(tf.shape(rgb), "")
