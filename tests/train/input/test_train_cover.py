import numpy as np
import pytest
import tensorflow as tf

from components.train.input.cover import classes_of, cover_of_bits, cover_of_planes, valid_of


@pytest.mark.parametrize(("num_classes", "num_bytes"), [(1, 1), (7, 1), (8, 2), (9, 2), (15, 2)])
@pytest.mark.parametrize("size_px", [8, 12])  # 12 does not fill its last byte
def test_what_is_put_into_a_cover_comes_out_again(num_classes: int, num_bytes: int, size_px: int) -> None:
    planes = np.random.default_rng(0).integers(0, 2, (3, 1 + num_classes, size_px, size_px), np.uint8)
    packed = np.packbits(planes, axis=3)
    cover = cover_of_bits(tf.constant(packed[:, 0]), tf.constant(packed[:, 1:]))
    assert cover.shape == (3, size_px, size_px, num_bytes)
    np.testing.assert_array_equal(cover, cover_of_planes(tf.constant(planes)))
    np.testing.assert_array_equal(valid_of(cover)[..., 0], planes[:, 0])
    np.testing.assert_array_equal(classes_of(cover, num_classes), planes[:, 1:])


def test_the_first_bit_is_the_valid_mask_and_a_class_has_the_next() -> None:
    planes = np.zeros((1, 10, 1, 1), np.uint8)
    for bits, expected in (([0], [1, 0]), ([1], [2, 0]), ([0, 7], [129, 0]), ([0, 8, 9], [1, 3])):
        planes[:] = 0
        planes[0, bits] = 1
        assert cover_of_planes(tf.constant(planes)).numpy().ravel().tolist() == expected
