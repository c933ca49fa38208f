from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from pretrained_backbone import random_tiles

from components.saved_model.allowed_ops import read_graph
from components.train.model.export import Classifier, export
from components.train.model.model import backbone_of, build_model
from components.train.settings.backbones import BACKBONES

NUM_TILES = 4
MOMENTS = (0.4, 0.5, 0.6, 0.2), (0.1, 0.2, 0.3, 0.1)
BANDS = ("red", "green", "blue", "nir")
# The others differ from these in numbers only.
OF_EACH_FAMILY = ["efficientnet_v2_s", "mobilenet_v2", "mobilenet_v3_large", "nasnet_large", "resnet50"]


def settle_batch_norm(model: keras.Model, inputs: list[np.ndarray]) -> None:
    """Makes the moving statistics those of these tiles: with the first ones, a deep untrained network says 0 or inf."""
    layers = [each for each in backbone_of(model).layers if isinstance(each, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    model(inputs, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


@pytest.mark.long
@pytest.mark.parametrize("name", OF_EACH_FAMILY)
def test_an_export_answers_as_its_model_whatever_the_backbone(name: str, tmp_path: Path) -> None:
    size_px = max(96, BACKBONES[name].smallest_px)  # so that the last layers see more than one place of each tile
    keras.utils.set_random_seed(0)
    model = build_model(name, size_px, 3, *MOMENTS)
    image, valid = random_tiles(size_px, NUM_TILES)
    settle_batch_norm(model, [image, valid])
    expected = tf.sigmoid(model([image, valid], training=False)).numpy()
    assert np.ptp(expected, axis=0).min() > 1e-3, "answers that are always the same prove nothing"
    export(Classifier(model, BANDS, size_px, 1, single_label=False), str(tmp_path / "export"), is_chief=True)
    read_graph(tmp_path / "export")  # does nothing that evaluate and push would refuse
    saved = tf.saved_model.load(str(tmp_path / "export"))
    # Eager or in one graph, sums are rounded otherwise, which an untrained network makes more of.
    np.testing.assert_allclose(saved.predict_batch(image, valid), expected, atol=1e-4)
