"""Models that somebody put in the place of ours: of the form that evaluate and push read, but with other answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import tensorflow as tf

from components.contracts import ModelCard
from components.registry import CARD
from components.saved_model.files import digests

TEXTS = [tf.TensorSpec([None], tf.string, name) for name in ("rgb", "nir", "valid_mask")]


def save_evil(folder: Path, answer: Callable[[Any], Any], signature: str = "masked") -> None:
    """Writes a model whose function and signature give `answer`(rgb) as probabilities, in place of what is there."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.name != CARD:
            path.rmdir() if path.is_dir() else path.unlink()
    module = tf.Module()
    module.weights = [tf.Variable(0.5)]

    @tf.function(input_signature=TEXTS)
    def predict_encoded(rgb: Any, nir: Any, valid_mask: Any) -> Any:
        return answer(rgb) + 0.0 * module.weights[0]

    @tf.function(input_signature=TEXTS)
    def masked(rgb: Any, nir: Any, valid_mask: Any) -> dict[str, Any]:
        probabilities = predict_encoded(rgb, nir, valid_mask)
        names = tf.fill(tf.shape(probabilities), "water")
        return {"probabilities": probabilities, "predicted": probabilities >= 0.5, "class_names": names}

    module.predict_encoded = module.logits_encoded = predict_encoded
    tf.saved_model.save(module, str(folder), signatures={signature: masked})


def halves(rgb: Any, num_classes: int = 3) -> Any:
    """Returns 0.5 for every class."""
    return tf.fill([tf.shape(rgb)[0], num_classes], 0.5)


def writes(target: Path) -> Callable[[Any], Any]:
    """Returns an answer that writes a file."""

    def answer(rgb: Any) -> Any:
        with tf.control_dependencies([tf.io.write_file(str(target), "owned")]):
            return halves(rgb)

    return answer


def rewrite_card(folder: Path, **changes: object) -> None:
    """Makes the card name the files that are there, as somebody who can write the bucket would."""
    card = ModelCard.read(folder / CARD)
    (folder / CARD).unlink()
    files = digests(str(folder))
    msgspec.structs.replace(card, **{"files": files, **changes}).write(folder / CARD)
