"""Shares and bytes of known networks, by hand; and DTensor on two devices against one."""

import keras
import pytest

from components.study.experiments.hybrid.layer_counts import LayerCounts, count_layers
from components.study.experiments.hybrid.moved_numbers import bytes_by_data, bytes_by_hybrid, dtensor_numbers
from components.study.experiments.hybrid.networks import network_names
from components.train.settings.backbones import BACKBONES

# Of Krizhevsky 2014 with one tower, and of Simonyan and Zisserman 2015; see test_the_classic_networks_are_these.
ALEXNET = LayerCounts(3_207_104, 58_631_144, 782_745_600, 58_621_952, ((9216, 4096), (4096, 4096), (4096, 1000)))
VGG16 = LayerCounts(14_714_688, 123_642_856, 15_346_630_656, 123_633_664, ((25088, 4096), (4096, 4096), (4096, 1000)))
ONE_DENSE = LayerCounts(23_481_472, 18_441, 3_855_925_248, 18_432, ((2048, 9),))


def test_layers_are_counted_by_hand():
    layers = keras.layers
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same")(image)  # 3·3·3·4 + 4 weights, 8·8·108 multiplications
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)(x)  # 3·3·4 weights, 4·4·36
    x = layers.SeparableConv2D(5, 3, padding="same", use_bias=False)(x)  # 3·3·4 + 4·5 weights, 4·4·56
    x = layers.BatchNormalization()(x)  # neither
    inside = keras.Model(image, layers.GlobalAveragePooling2D()(x))
    outer = keras.Input((8, 8, 3))
    counts = count_layers(keras.Model(outer, layers.Dense(7)(inside(outer))))

    assert counts == LayerCounts(112 + 36 + 56, 5 * 7 + 7, 64 * 108 + 16 * 36 + 16 * 56, 35, ((5, 7),))


@pytest.mark.parametrize(
    ("counts", "in_dense", "by_convolutions"), [(ALEXNET, 0.948, 0.930), (VGG16, 0.894, 0.992), (ONE_DENSE, 0.001, 1.0)]
)
def test_the_premise_holds_for_networks_with_large_dense_layers_only(counts, in_dense, by_convolutions):
    assert counts.dense_share_of_weights == pytest.approx(in_dense, abs=5e-4)
    assert counts.convolution_share_of_multiplications == pytest.approx(by_convolutions, abs=5e-4)


def test_bytes_by_hand():
    counts = LayerCounts(10, 200, 1, 1, ((6, 5), (5, 4), (4, 3)))

    assert bytes_by_data(counts, 4) == 2 * 3 * 210 * 4
    # Features there and back, one layer in rows forward, one in columns backward, and the last one's outputs.
    assert bytes_by_hybrid(counts, 4, 8) == 3 * 4 * (2 * 10 + 2 * 8 * 6 + 2 * 8 * 4 + 2 * 8 * 4 + 8 * 3)
    assert dtensor_numbers(counts, 8, is_hybrid=True) == 10 + 8 * (2 * 6 + 4 + 4 + 3)
    assert dtensor_numbers(counts, 8, is_hybrid=False) == 211


def test_hybrid_saves_bytes_only_where_the_premise_holds():
    ratios = [bytes_by_data(each, 4) / bytes_by_hybrid(each, 4, 128) for each in (ALEXNET, VGG16, ONE_DENSE)]

    assert ratios[0] > 5
    assert ratios[1] > 3
    assert ratios[2] < 1


def test_every_backbone_is_counted_in_all_presets_but_ci():
    assert network_names("laptop") == ("alexnet", "vgg16", *BACKBONES)
    assert set(network_names("ci")) < set(network_names("gpu"))


@pytest.mark.long
def test_the_classic_networks_are_these():
    from components.study.experiments.hybrid.layer_counts import counts_of

    assert (counts_of("alexnet", 9), counts_of("vgg16", 9)) == (ALEXNET, VGG16)


@pytest.mark.slow
def test_two_devices_learn_what_one_does_and_reduce_what_was_computed():
    from components.study.experiments.hybrid.shares import TOLERANCE, ask_dtensor

    ran = ask_dtensor()  # refuses other numbers than those computed

    assert max(each["difference"] for each in ran.values()) <= TOLERANCE
    assert sum(ran["data"]["reduced"]) > 6 * sum(ran["hybrid"]["reduced"])
