import keras
import numpy as np
import pytest
import tensorflow as tf

from components.train.model.model import build_model
from components.train.settings.backbones import BACKBONES

RGB = ((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
RGB_NIR = ((0.4, 0.5, 0.6, 0.2), (0.1, 0.2, 0.3, 0.1))

# One of each family; the larger ones are built in test_train_backbones.py.
FAMILIES = ["small", "mobilenet", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_v2_b0", "resnet50"]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_backbone_learns_from_bytes_at_its_smallest_size(name: str) -> None:
    side = BACKBONES[name].smallest_px
    model = build_model(name, side, 9, *RGB_NIR)
    image = np.random.default_rng(0).integers(0, 255, (2, side, side, 4)).astype(np.uint8)
    batch = [tf.constant(image), tf.ones((2, side, side, 1), tf.uint8)]

    with tf.GradientTape() as tape:  # not in a graph, which takes longer to make than this single step
        logits = model(batch, training=True)
        loss = tf.reduce_sum(logits**2)
    slopes = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    assert logits.shape == (2, 9)
    assert np.isfinite(logits.numpy()).all()
    for variable, slope in zip(model.trainable_variables, slopes, strict=True):
        assert slope is not None, f"{variable.path} would never learn"
        assert np.isfinite(slope.numpy()).all()


@pytest.mark.parametrize(("side", "bands"), [(32, RGB), (50, RGB), (50, RGB_NIR)])  # 50 cannot be halved five times
def test_the_small_backbone_takes_any_size_and_bands(side: int, bands) -> None:
    model = build_model("small", side, 9, *bands)
    image = np.zeros((2, side, side, len(bands[0])), np.uint8)
    logits = np.asarray(model([image, np.ones((2, side, side, 1), np.uint8)], training=False))
    assert logits.shape == (2, 9)
    assert np.isfinite(logits).all()


def test_ndvi_makes_a_difference() -> None:
    keras.utils.set_random_seed(0)
    model = build_model("small", 32, 3, *RGB_NIR, ndvi=True)
    assert model.get_layer("preprocess").output.shape[-1] == 5
    image = np.full((2, 32, 32, 4), 100, np.uint8)
    image[1, :16, :, 3] = 200
    answers = np.asarray(model([image, np.ones((2, 32, 32, 1), np.uint8)], training=False))
    assert not np.allclose(answers[0], answers[1])


@pytest.mark.long
@pytest.mark.parametrize("backbone", ["small", "mobilenet"])
def test_after_a_short_run_a_model_answers_as_it_did_in_training(backbone: str) -> None:
    """The published momentum of 0.999 would leave the moving statistics near their initial values."""
    model = build_model(backbone, 32, 3, *RGB_NIR)
    image = np.random.default_rng(0).integers(0, 255, (16, 32, 32, 4)).astype(np.uint8)
    batch = [tf.constant(image), tf.ones((16, 32, 32, 1), tf.uint8)]
    step = tf.function(lambda: model(batch, training=True))
    for _ in range(150):
        in_training = step().numpy()

    spread = np.abs(in_training - in_training.mean(axis=0)).mean()
    assert np.abs(model(batch, training=False).numpy() - in_training).mean() < 0.2 * spread


def test_what_lies_outside_the_field_does_not_count() -> None:
    model = build_model("small", 32, 3, *RGB_NIR)
    rng = np.random.default_rng(0)
    valid = np.ones((1, 32, 32, 1), np.uint8)
    valid[:, :10] = 0
    inside = rng.integers(0, 255, (1, 32, 32, 4)).astype(np.uint8)
    other = inside.copy()
    other[:, :10] = 255
    np.testing.assert_array_equal(model([inside, valid]), model([other, valid]))
    assert not np.allclose(model([inside, valid]), model([other, np.ones_like(valid)]))
