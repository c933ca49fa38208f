import numpy as np
import pytest
import tensorflow as tf

from components.train.model import build_model

RGB = ((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
RGB_NIR = ((0.4, 0.5, 0.6, 0.2), (0.1, 0.2, 0.3, 0.1))


@pytest.mark.parametrize(
    ("backbone", "image_size_px", "bands"),
    [
        ("small", 32, RGB_NIR),
        ("small", 50, RGB),  # a size that cannot be halved five times
        ("MobileNetV2", 32, RGB_NIR),
        pytest.param("ResNet50", 32, RGB_NIR, marks=pytest.mark.slow),
        pytest.param("NASNetLarge", 64, RGB_NIR, marks=pytest.mark.slow),
    ],
)
def test_every_backbone_takes_bytes_and_gives_a_logit_per_class(backbone: str, image_size_px: int, bands) -> None:
    model = build_model(backbone, image_size_px, 9, *bands)
    image = np.zeros((2, image_size_px, image_size_px, len(bands[0])), np.uint8)
    logits = np.asarray(model([image, np.ones((*image.shape[:3], 1), np.uint8)], training=False))
    assert logits.shape == (2, 9)
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("backbone", ["small", "MobileNetV2"])
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
