"""The model as served: encoded images in; probabilities, decisions and class names out."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import tensorflow as tf

from components.contracts import ModelCard
from components.push.card import PLACES, is_rgb_only
from components.saved_model.allowed_ops import read_graph
from components.saved_model.answering import DECODED, DENSE, LOGITS, MAPS, PIXELS, load_checked
from components.saved_model.graph_digest import graph_digest

# The checkpoint's bookkeeping, which holds node numbers, not weights.
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
# From rgb, nir and valid_mask, encoded, to what is answered by name.
_Answer: TypeAlias = Callable[[Any, Any, Any], dict[str, Any]]


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


def save_serving_model(exported_dir: Path, card: ModelCard, target: Path) -> tuple[str, ...]:
    """Wraps an exported model into a SavedModel; returns the names of its signatures, which the card describes.

    Calibration, thresholds, bounds and class names become constants in the model; the exported model already includes
    preprocessing. What the export of an earlier version lacks the functions for is left out.

    Raises:
      DataError: if the exported model may not be loaded.
    """
    exported = load_checked(exported_dir)
    module = tf.Module()
    module.exported = exported  # tracked, so that its variables are saved
    strings = tf.TensorSpec([None], tf.string)
    answer = _answer(exported, card)
    inputs = ("rgb",) if is_rgb_only(card.bands) else ("rgb", "nir")

    def rgb_alone(rgb: Any) -> Any:
        return answer(rgb, _empty(rgb), _empty(rgb))

    def without_mask(rgb: Any, nir: Any) -> Any:
        return answer(rgb, nir, _empty(rgb))

    def signature(function: Callable[..., Any], names: tuple[str, ...]) -> Any:
        specs = [tf.TensorSpec(strings.shape, strings.dtype, name) for name in names]
        return tf.function(function).get_concrete_function(*specs)

    def with_mask(of: _Answer) -> Any:
        return signature(_as_taken(of, card), (*inputs, "valid_mask"))

    signatures = {
        "serving_default": signature(rgb_alone if len(inputs) == 1 else without_mask, inputs),
        "masked": with_mask(answer),
    }
    if card.dense:
        signatures["dense"] = with_mask(_dense(exported, card))
    elif not hasattr(exported, DENSE) and hasattr(exported, MAPS) and hasattr(exported, LOGITS):
        signatures[PLACES] = with_mask(_places(exported, card))
    if hasattr(exported, PIXELS):
        signatures[PIXELS] = _pixels(exported, card)
        signatures[DECODED] = _taking_pixels(_of_decoded(exported, card), card)
    tf.saved_model.save(module, str(target), signatures=signatures)
    return tuple(signatures)


def _as_taken(answer: _Answer, card: ModelCard) -> Callable[..., dict[str, Any]]:
    """Returns a function with the arguments of a model's signature, which of RGB alone takes no NIR."""

    def of_rgb(rgb: Any, valid_mask: Any) -> dict[str, Any]:
        return answer(rgb, _empty(rgb), valid_mask)

    def of_both(rgb: Any, nir: Any, valid_mask: Any) -> dict[str, Any]:
        return answer(rgb, nir, valid_mask)

    return of_rgb if is_rgb_only(card.bands) else of_both


def _dense(exported: Any, card: ModelCard) -> _Answer:
    """Returns what answers for places, too: from the same pass through the network."""
    decide, num_classes = _decided(card), len(card.classes)

    def answer(rgb: Any, nir: Any, valid_mask: Any) -> dict[str, Any]:
        found = exported.dense_encoded(rgb, nir, valid_mask)
        maps = tf.sigmoid(tf.ensure_shape(found["maps"], [None, None, None, num_classes]))
        return decide(calibrated_probabilities(found["logits"], card)) | {"maps": maps}

    return answer


def _places(exported: Any, card: ModelCard) -> _Answer:
    """Returns what answers as the tile would be answered if all of it were like one of its places.

    A class-activation map says what each place adds to the logit, whose mean over the places is the logit less a
    constant, see components/train/model/activation_map.py. With that constant added, the logits of the places average
    to the tile's, and the tile's calibration makes probabilities of them.
    """
    decide, num_classes = _decided(card), len(card.classes)

    def answer(rgb: Any, nir: Any, valid_mask: Any) -> dict[str, Any]:
        # Two passes through the network, as no export gives both in one. Who asks for places asks about few tiles.
        logits = tf.ensure_shape(exported.logits_encoded(rgb, nir, valid_mask), [None, num_classes])
        added = tf.ensure_shape(exported.maps_encoded(rgb, nir, valid_mask), [None, None, None, num_classes])
        constant = logits - tf.reduce_mean(added, axis=(1, 2))
        of_places = tf.reshape(added + constant[:, tf.newaxis, tf.newaxis], [-1, num_classes])
        maps = tf.reshape(calibrated_probabilities(of_places, card), tf.shape(added))
        return decide(calibrated_probabilities(logits, card)) | {"maps": maps}

    return answer


def _answer(exported: Any, card: ModelCard) -> _Answer:
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

    return _taking_pixels(answer, card)


def _of_decoded(exported: Any, card: ModelCard) -> _Answer:
    """Returns what answers as `masked` does, but takes what the decoder in there would make of the files."""
    decide = _decided(card)

    def answer(rgb: Any, nir: Any, valid: Any) -> dict[str, Any]:
        # Images and mask are scaled apart, so that a mask may have the size of the model's input already.
        return decide(calibrated_probabilities(exported.pixels(rgb, nir, valid)["logits"], card))

    return answer


def _taking_pixels(answer: _Answer, card: ModelCard) -> Any:
    """Returns a signature that takes uint8 [N, H, W, bands] in the place of files."""

    def rgb_only(rgb: Any, valid: Any) -> dict[str, Any]:
        return answer(rgb, rgb[..., :1], valid)

    def of_both(rgb: Any, nir: Any, valid: Any) -> dict[str, Any]:
        return answer(rgb, nir, valid)

    counts = {"rgb": 3, "nir": 1, "valid": 1}
    if is_rgb_only(card.bands):
        del counts["nir"]
    specs = [tf.TensorSpec([None, None, None, count], tf.uint8, name) for name, count in counts.items()]
    return tf.function(of_both if "nir" in counts else rgb_only).get_concrete_function(*specs)


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
