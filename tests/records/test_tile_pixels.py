"""What is decoded for a model is what the decoder inside the model would have made of the same files."""

import dataclasses
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tile_shards import BANDS, encode, fake_record

from components.records import tfrecords
from components.records.jpeg import DamagedImage
from components.records.mask_png import encode_mask
from components.records.tile_pixels import model_pixels, ratio_and_side, scaled_valid


@pytest.mark.parametrize(
    ("stored_px", "image_size_px", "expected"),
    [
        (0, 128, (1, 128)),
        (512, 128, (4, 128)),
        (512, 224, (2, 256)),
        (512, 512, (1, 512)),
        (500, 128, (2, 250)),
        (100, 128, (1, 100)),
        (4096, 32, (8, 512)),
    ],
)
def test_the_ratio_and_the_side_follow_from_the_size_of_the_tiles(stored_px, image_size_px, expected):
    assert ratio_and_side(stored_px, image_size_px) == expected


@pytest.mark.parametrize("size_px", [1, 7, 20, 32, 48, 50, 64, 96, 128, 224])
@pytest.mark.parametrize("sides", [(48, 48), (96, 96), (47, 61), (1, 1), (512, 512), (513, 300), (1000, 17)])
def test_a_mask_is_thinned_as_the_graph_does_it(size_px, sides):
    mask = np.random.default_rng(sides[0] + size_px).random(sides) > 0.4
    expected = tfrecords.nearest_mask(tf.constant(mask[..., np.newaxis] * np.uint8(255)), size_px)

    np.testing.assert_array_equal(scaled_valid(mask, size_px), expected)


def saved(pixels, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("side", "size_px"), [(64, 64), (64, 32), (64, 20), (64, 16), (72, 9), (65, 32), (48, 64)])
@pytest.mark.parametrize(
    "options",
    [{}, {"subsampling": 2}, {"subsampling": 1}, {"progressive": True}, {"quality": 30, "optimize": True}],
    ids=str,
)
def test_odd_jpegs_become_the_pixels_that_the_model_decodes(side, size_px, options):
    rng = np.random.default_rng(side)
    grey = rng.integers(0, 256, (side, side, 4), np.uint8)
    mask = rng.random((side, side)) > 0.3
    rgb_options = {"quality": 85, **options}
    nir_options = {name: value for name, value in rgb_options.items() if name != "subsampling"}
    record = dataclasses.replace(
        fake_record(1),
        rgb=saved(grey[..., :3], **rgb_options),
        nir=saved(grey[..., 3], **nir_options),
        valid_mask=encode_mask(mask),
    )
    ratio, decoded_side = ratio_and_side(side, size_px)
    found = model_pixels(record, ratio, size_px)
    assert found.rgb.shape == (decoded_side, decoded_side, 3)
    arrays = [tf.constant(part[np.newaxis]) for part in found]
    image, valid = tfrecords.scale_pixels(*arrays, BANDS, size_px)
    expected = tfrecords.decode_image(record.rgb, record.nir, record.valid_mask, BANDS, size_px, ratio)

    np.testing.assert_array_equal(image[0], expected[0])
    np.testing.assert_array_equal(valid[0], expected[1])


def test_of_bands_that_are_scaled_otherwise_the_reason_is_said():
    tile = fake_record(1)
    as_png = encode(np.asarray(Image.open(io.BytesIO(tile.nir))), "PNG")
    with pytest.raises(DamagedImage, match="RGB and NIR are not of one size once they are decoded"):
        model_pixels(dataclasses.replace(tile, nir=as_png), 2, 24)
