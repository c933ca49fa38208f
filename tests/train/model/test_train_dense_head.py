"""Heads that also say where, on the backbones that are quick to build."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from pretrained_backbone import random_tiles
from tile_shards import BANDS, fake_record

from components.records import tfrecords
from components.saved_model.allowed_ops import read_graph
from components.train.model.export import Classifier, export
from components.train.model.model import backbone_of, build_model
from components.train.model.stem import WidenedConv2D

MOMENTS = (0.4, 0.5, 0.6, 0.2), (0.1, 0.2, 0.3, 0.1)
SIZE_PX = 64
CELLS = {"cam": 2, "lraspp": 8}
QUICK = ("small", "mobilenet", "mobilenet_v2", "mobilenet_v3_small")


def dense_model(head: str, backbone: str = "small", **settings: bool) -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_model(backbone, SIZE_PX, 3, *MOMENTS, head=head, **settings)


@pytest.mark.parametrize("head", CELLS)
@pytest.mark.parametrize("backbone", QUICK)
def test_every_weight_learns_from_both_answers(backbone: str, head: str) -> None:
    model = dense_model(head, backbone)
    with tf.GradientTape() as tape:
        logits, maps = model([*random_tiles(SIZE_PX, 4)], training=True)
        loss = tf.reduce_sum(logits**2) + tf.reduce_sum(maps**2)
    assert logits.shape == (4, 3)
    assert maps.shape == (4, CELLS[head], CELLS[head], 3)
    assert logits.dtype == maps.dtype == tf.float32
    slopes = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    for variable, slope in zip(model.trainable_variables, slopes, strict=True):
        assert slope is not None, f"{variable.path} would never learn"
        assert np.isfinite(slope.numpy()).all()


@pytest.mark.parametrize("backbone", QUICK)
@pytest.mark.parametrize("is_pretrained", [False, True])
def test_the_backbone_has_the_layers_of_the_tile_heads_in_their_order(backbone: str, is_pretrained: bool) -> None:
    """Published weights are found by the order of layers, and blocks are unfrozen by their names."""
    plain, dense = (backbone_of(dense_model(head, backbone, is_pretrained=is_pretrained)) for head in ("tile", "cam"))

    def described(network: keras.Model) -> list:
        return [(type(layer), [variable.shape for variable in layer.weights]) for layer in network.layers]

    assert described(dense) == described(plain)
    assert any(isinstance(layer, WidenedConv2D) for layer in dense.layers) == is_pretrained


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("head", CELLS)
def test_answers_are_float32_in_half_precision_too(head: str, precision: str) -> None:
    keras.config.set_dtype_policy(precision)
    try:
        answers = dense_model(head)([*random_tiles(SIZE_PX, 4)], training=True)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {answer.dtype for answer in answers} == {tf.float32}
    assert all(np.isfinite(answer).all() for answer in answers)


def test_the_answer_for_a_tile_leaves_out_cells_without_a_valid_pixel() -> None:
    pooled = dense_model("cam").get_layer("logits")
    maps = np.random.default_rng(0).normal(size=(2, 2, 2, 3)).astype(np.float32)
    share = np.array([1.0, 0.25, 0.0, 0.5], np.float32).reshape(1, 2, 2, 1).repeat(2, axis=0)
    share[1] = 0.0
    logits = pooled(maps, share).numpy()
    cells, weights = maps[0].reshape(4, 3), share[0].reshape(4, 1)
    expected = np.log((weights / (1 + np.exp(-cells))).sum(axis=0) / weights.sum()) + cells[[0, 1, 3]].max(axis=0)
    np.testing.assert_allclose(logits[0], expected, rtol=1e-5)
    other = maps.copy()
    other[0, 1, 0] = 40.0
    np.testing.assert_array_equal(pooled(other, share)[0], logits[0])
    assert np.isfinite(logits[1]).all()
    assert (logits[1] < -20).all(), "a tile without a valid pixel has no class"


@pytest.mark.long
@pytest.mark.parametrize("head", CELLS)
@pytest.mark.parametrize("num_bands", [3, 4])
def test_the_export_gives_the_answers_of_the_model(head: str, num_bands: int, tmp_path: Path) -> None:
    mean, std = (each[:num_bands] for each in MOMENTS)
    keras.utils.set_random_seed(0)
    model = build_model("small", SIZE_PX, 3, mean, std, head=head)
    export(Classifier(model, BANDS[:num_bands], SIZE_PX, 1, False), str(tmp_path / "export"), is_chief=True)
    read_graph(tmp_path / "export")
    saved = tf.saved_model.load(str(tmp_path / "export"))
    records = [fake_record(number, size_px=SIZE_PX) for number in range(3)]
    encoded = [tf.constant([getattr(record, name) for record in records]) for name in ("rgb", "nir", "valid_mask")]
    tiles = [tfrecords.decode_image(*(part[n] for part in encoded), BANDS[:num_bands], SIZE_PX, 1) for n in range(3)]
    image, valid = (np.stack(parts) for parts in zip(*tiles, strict=True))
    logits, maps = model([image, valid], training=False)
    found = saved.maps_encoded(*encoded)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, maps, atol=1e-5)
    np.testing.assert_allclose(saved.logits_encoded(*encoded), logits, atol=1e-5)
    both = saved.dense_encoded(*encoded)
    assert sorted(both) == ["logits", "maps"]
    np.testing.assert_allclose(both["logits"], logits, atol=1e-5)
    np.testing.assert_array_equal(both["maps"], found)
    np.testing.assert_allclose(saved.predict_encoded(*encoded), tf.sigmoid(logits), atol=1e-5)
    np.testing.assert_allclose(saved.predict_batch(image, valid), tf.sigmoid(logits), atol=1e-5)


def test_an_export_of_the_head_tile_does_not_answer_for_places() -> None:
    model = build_model("small", SIZE_PX, 3, *MOMENTS)
    assert not hasattr(Classifier(model, BANDS, SIZE_PX, 1, False), "dense_encoded")
