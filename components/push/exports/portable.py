"""The function that other formats compute: decoded pixels in, the probabilities of the served model out."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from components.contracts import ModelCard
from components.errors import DataError
from components.push.exports.kinds import (
    CLASSES,
    HIGHEST_THRESHOLD,
    IMAGE,
    LOWEST_THRESHOLD,
    MAPS,
    PROBABILITIES,
    QGIS,
    VALID,
    ExportKind,
)
from components.push.serving import calibrated_probabilities

_FUNCTION = "answers_batch"
_KERNEL_RANK = 2


def portable(exported: Any, card: ModelCard, kind: ExportKind) -> Any:
    """Returns the tf.function to convert.

    It takes image uint8 [N, S, S, B] and valid uint8 [N, S, S, 1], 1 where a pixel counts, and returns `probabilities`
    float32 [N, C], calibrated, and of a dense head `maps` float32 [N, h, w, C], the probabilities of places. The one
    for QGIS takes and returns what deepness.py says.

    Raises:
      DataError: if the export has no function for pixels, or no maps where the format needs them.
    """
    if not hasattr(exported, _FUNCTION):
        raise DataError(f"the trained model has no function {_FUNCTION!r}: an earlier version exported it; train again")
    size, num_bands = card.image_size_px, len(card.bands)
    if kind.name == QGIS:
        specs = [tf.TensorSpec([None, num_bands, size, size], tf.float32, name=IMAGE)]
        return tf.function(_segmenting(exported, card), input_signature=specs, autograph=False)

    def answer(image: Any, valid: Any) -> dict[str, Any]:
        found = exported.answers_batch(image, valid)
        answers = {
            PROBABILITIES: calibrated_probabilities(tf.ensure_shape(found["logits"], [None, len(card.classes)]), card)
        }
        if "maps" in found:
            answers[MAPS] = tf.sigmoid(found["maps"])
        return answers

    specs = [
        tf.TensorSpec([None, size, size, num_bands], tf.uint8, name=IMAGE),
        tf.TensorSpec([None, size, size, 1], tf.uint8, name=VALID),
    ]
    return tf.function(answer, input_signature=specs, autograph=False)


def _segmenting(exported: Any, card: ModelCard) -> Callable[[Any], dict[str, Any]]:
    """Returns the function from float32 [N, B, S, S] in 0..1 to the share of each class, float32 [N, 1 + C, S, S].

    The largest of a pixel's shares is the class that it shows: the one whose log-odds are the furthest above those of
    its threshold, or background if none is above.
    """
    if card.dense is None:
        raise DataError("it shows maps, and this model was scored without a dense head")
    thresholds = np.clip(np.asarray(card.dense.thresholds, np.float64), LOWEST_THRESHOLD, HIGHEST_THRESHOLD)
    bounds = np.log(thresholds / (1 - thresholds)).astype(np.float32)
    size = card.image_size_px

    def segment(image: Any) -> dict[str, Any]:
        pixels = tf.cast(tf.round(tf.clip_by_value(image, 0.0, 1.0) * 255.0), tf.uint8)
        pixels = tf.transpose(pixels, [0, 2, 3, 1])
        found = exported.answers_batch(pixels, tf.ones_like(pixels[..., :1]))
        if "maps" not in found:
            raise DataError("it shows maps, and this model has no dense head")
        above = tf.image.resize(found["maps"], [size, size]) - bounds  # [N, S, S, C]
        shares = tf.nn.softmax(tf.concat([tf.zeros_like(above[..., :1]), above], axis=-1))
        return {CLASSES: tf.transpose(shares, [0, 3, 1, 2])}

    return segment


def weight_bytes(exported_dir: Path, kind: ExportKind) -> int:
    """Returns what the weights of a model take at least, in a format's precision.

    Only kernels count, which no converter can do without: those of batch normalisation are vectors, which it may fold
    into the kernel before them.
    """
    reader = tf.train.load_checkpoint(os.fspath(exported_dir / "variables" / "variables"))
    types = reader.get_variable_to_dtype_map()
    kernels = [
        shape
        for name, shape in reader.get_variable_to_shape_map().items()
        if types[name].is_floating and len(shape) >= _KERNEL_RANK
    ]
    return sum(int(np.prod(shape)) for shape in kernels) * kind.bytes_per_weight
