import shutil
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from components.errors import DataError
from components.train.model.model import backbone_of, build_model
from components.train.model.weight_file import load_weights
from components.train.settings.backbones import BACKBONES

MEAN, STD = (0.4, 0.5, 0.6, 0.2), (0.1, 0.2, 0.3, 0.1)
NAME = "mobilenet_v3_small"


@pytest.fixture(scope="module")
def mine():
    """A backbone for four bands that takes published weights; each test leaves its own in it."""
    return backbone_of(build_model(NAME, 32, 3, MEAN, STD, is_pretrained=True))


def application(**settings):
    """A backbone as somebody else would save it: with a scaling layer of its own. Each call has other weights."""
    return keras.applications.MobileNetV3Small(input_shape=(32, 32, 3), weights=None, **settings)


@pytest.mark.parametrize("include_top", [False, True])
@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:.*HDF5")
def test_every_kind_of_file_gives_the_same_weights_with_and_without_a_classifier(
    mine, suffix: str, include_top: bool, tmp_path: Path
) -> None:
    published, path = application(include_top=include_top), tmp_path / f"published{suffix}"
    published.save_weights(path) if suffix == ".weights.h5" else published.save(path)
    load_weights(mine, NAME, path, path.name)
    for layer in mine.layers:
        if layer.weights:
            for variable, expected in zip(layer.weights, published.get_layer(layer.name).get_weights(), strict=False):
                np.testing.assert_array_equal(variable.numpy(), expected)
    stem = mine.get_layer(BACKBONES[NAME].stem)
    assert not stem.new_bands.numpy().any(), "a widened stem has its new bands at the end"


@pytest.mark.parametrize(
    ("builder", "num_bands", "message"),
    [
        ("MobileNetV3Small", 4, r"'conv' has \[3, 3, 3, 16\], but the file has \[3, 3, 4, 16\]"),
        ("MobileNet", 3, r"'conv' has \[3, 3, 3, 16\], but the file has \[3, 3, 3, 32\]"),
        ("MobileNetV3Large", 3, r"'expanded_conv_squeeze_excite_conv' has .* but the file has \[1"),
    ],
)
def test_another_network_is_refused_by_its_first_layer_that_does_not_fit(
    mine, builder: str, num_bands: int, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "other.weights.h5"
    other = getattr(keras.applications, builder)(weights=None, include_top=False, input_shape=(32, 32, num_bands))
    other.save_weights(path)
    before = [variable.numpy() for variable in mine.weights]
    with pytest.raises(DataError, match=f"'other.h5' are not for mobilenet_v3_small with three bands: layer {message}"):
        load_weights(mine, NAME, path, "other.h5")
    for variable, weights in zip(mine.weights, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), weights)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def without_a_layer(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["layers/batch_normalization_3"]


def text(path: Path) -> None:
    path.write_text("<html>404</html>")


def archive_of_something(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


def other_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["measurements"] = [1, 2, 3]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "w.weights.h5"
    application(include_top=False).save_weights(path)
    return path


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "cannot be read: .*; get the file again"),
        (text, "cannot be read: .*; get the file again"),
        (archive_of_something, "cannot be read: .*model.weights.h5"),
        (other_hdf5, "cannot be read"),
        (without_a_layer, r"layer 'expanded_conv_1_expand_bn', with .*, is not in the file"),
    ],
)
def test_a_damaged_file_is_an_error_of_one_line(mine, good: Path, tmp_path: Path, damage, message: str) -> None:
    path = tmp_path / "w.weights.h5"
    shutil.copy(good, path)
    damage(path)
    with pytest.raises(DataError, match=message) as error:
        load_weights(mine, NAME, path, "w.weights.h5")
    assert "\n" not in str(error.value)
