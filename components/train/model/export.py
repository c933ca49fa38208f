"""The trained model as a SavedModel that needs TensorFlow and nothing else.

After `model = tf.saved_model.load(folder)`:

    model.predict_batch(image uint8 [N, S, S, B], valid uint8 [N, S, S, 1]) -> float32 [N, C]
    model.answers_batch(image uint8 [N, S, S, B], valid uint8 [N, S, S, 1])
        -> {"logits": float32 [N, C]}, of a dense head with "maps" as well
    model.predict_encoded(rgb string [N], nir string [N], valid_mask string [N]) -> float32 [N, C]
    model.logits_encoded(rgb string [N], nir string [N], valid_mask string [N]) -> float32 [N, C]
    model.maps_encoded(rgb string [N], nir string [N], valid_mask string [N]) -> float32 [N, h, w, C]
    model.dense_encoded(rgb string [N], nir string [N], valid_mask string [N])
        -> {"logits": float32 [N, C], "maps": float32 [N, h, w, C]}
    model.pixels(rgb uint8 [N, H, W, 3], nir uint8 [N, H, W, 1], valid uint8 [N, H, W, 1])
        -> {"logits": float32 [N, C]}, of a dense head with "maps" as well

`predict_batch` and `predict_encoded` return probabilities in class-list order, the same for the same tile;
`answers_batch` is what other formats are converted from; `logits_encoded` what they are the
sigmoid of, or in single-label mode the softmax; `maps_encoded` which places speak for a class, see activation_map.py,
or of a dense head the logits of the places, see dense_head.py. Only a dense head has `dense_encoded`, which gives the
last two in one pass through the network. The functions that take image files take them as stored in a shard and decode
them as training did; an empty valid_mask means that every pixel counts, and nir is ignored if the dataset has no such
band. `pixels` takes decoded tiles of one size, whichever, with 0 in `valid` where a pixel does not count, and scales
them as decoding does, so a PNG of the same pixels has the same answers.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from components.records import tfrecords
from components.storage import whole_folder
from components.train.model.activation_map import activation_maps
from components.train.model.dense_head import has_maps
from components.train.model.model import backbone_of
from components.train.step.objective import probabilities


class Classifier(tf.Module):  # type: ignore[misc]
    """A model with its decoding and its output function; see the module's docstring for its signatures."""

    def __init__(self, model: Any, bands: Sequence[str], image_size_px: int, ratio: int, single_label: bool) -> None:
        super().__init__(name="classifier")
        # Holds only the variables: a Keras model in an attribute would be saved with all its own functions.
        self.weights = [variable.value for variable in model.variables]
        size, num_bands = image_size_px, len(bands)

        def logits(image: Any, valid: Any) -> Any:
            answers = model([image, valid], training=False)
            return answers[0] if has_maps(model) else answers

        def answer(image: Any, valid: Any) -> Any:
            return probabilities(logits(image, valid), single_label)

        def answers(image: Any, valid: Any) -> dict[str, Any]:
            found = model([image, valid], training=False)
            return {"logits": found[0], "maps": found[1]} if has_maps(model) else {"logits": found}

        def decode(encoded: Any) -> Any:
            rgb, nir, valid_mask = encoded
            return tfrecords.decode_image(rgb, nir, valid_mask, bands, image_size_px, ratio)

        def decode_all(rgb: Any, nir: Any, valid_mask: Any) -> Any:
            kinds = (tf.TensorSpec([size, size, num_bands], tf.uint8), tf.TensorSpec([size, size, 1], tf.uint8))
            return tf.map_fn(decode, (rgb, nir, valid_mask), fn_output_signature=kinds)

        def answer_encoded(rgb: Any, nir: Any, valid_mask: Any) -> Any:
            return answer(*decode_all(rgb, nir, valid_mask))

        def dense_maps(image: Any, valid: Any) -> Any:
            return model([image, valid], training=False)[1]

        maps = dense_maps if has_maps(model) else activation_maps(model, backbone_of(model))

        def maps_encoded(rgb: Any, nir: Any, valid_mask: Any) -> Any:
            return maps(*decode_all(rgb, nir, valid_mask))

        def logits_encoded(rgb: Any, nir: Any, valid_mask: Any) -> Any:
            return logits(*decode_all(rgb, nir, valid_mask))

        def answer_pixels(rgb: Any, nir: Any, valid: Any) -> dict[str, Any]:
            answers = model([*tfrecords.scale_pixels(rgb, nir, valid, bands, image_size_px)], training=False)
            return dict(zip(("logits", "maps"), answers if has_maps(model) else [answers], strict=False))

        text = tf.TensorSpec([None], tf.string)
        decoded = [
            tf.TensorSpec([None, size, size, num_bands], tf.uint8, name="image"),
            tf.TensorSpec([None, size, size, 1], tf.uint8, name="valid"),
        ]
        self.predict_batch = tf.function(answer, input_signature=decoded, autograph=False)
        self.answers_batch = tf.function(answers, input_signature=decoded, autograph=False)
        self.predict_encoded = tf.function(answer_encoded, input_signature=[text, text, text], autograph=False)
        self.logits_encoded = tf.function(logits_encoded, input_signature=[text, text, text], autograph=False)
        self.maps_encoded = tf.function(maps_encoded, input_signature=[text, text, text], autograph=False)
        decoded = [(3, "rgb"), (1, "nir"), (1, "valid")]
        self.pixels = tf.function(
            answer_pixels,
            input_signature=[tf.TensorSpec([None, None, None, count], tf.uint8, name) for count, name in decoded],
            autograph=False,
        )
        if has_maps(model):

            def dense_encoded(rgb: Any, nir: Any, valid_mask: Any) -> dict[str, Any]:
                answers = model([*decode_all(rgb, nir, valid_mask)], training=False)
                return dict(zip(("logits", "maps"), answers, strict=True))

            self.dense_encoded = tf.function(dense_encoded, input_signature=[text, text, text], autograph=False)


def export(classifier: Classifier, uri: str, is_chief: bool) -> None:
    """Saves the classifier to the folder `uri`, atomically; only the chief's copy is kept."""
    with tempfile.TemporaryDirectory() as temporary:
        tf.saved_model.save(classifier, temporary)
        if is_chief:
            whole_folder.publish(Path(temporary), uri, last="saved_model.pb")
