"""Weights files made to read other files, or to take the machine's memory: each is refused before a value is read."""

import resource
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from components.errors import DataError
from components.train.model.hdf5_check import NotWeights, names_in, open_weights
from components.train.model.model import backbone_of, build_model
from components.train.model.weight_file import load_weights

pytestmark = pytest.mark.hostile
SECRET = bytes(range(256)) * 8
STEM = "layers/conv2d/vars/0"  # of "small": 5 x 5 x 3 x 24 floats
SHAPE = (5, 5, 3, 24)
GIB = 1 << 30


@pytest.fixture(scope="module")
def network():
    return backbone_of(build_model("small", 32, 3, (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)))


@pytest.fixture(scope="module")
def good(network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "w.weights.h5"
    network.save_weights(path)
    with h5py.File(path) as file:
        assert file[STEM].shape == SHAPE
    return path


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """Half a GiB more than the process has: what takes more ends the test."""
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    status = Path("/proc/self/status").read_text().splitlines()
    in_use = next(int(line.split()[1]) for line in status if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (in_use * 1024 + GIB // 2, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, limits)


def in_another_file(file: h5py.File, secret: Path) -> None:
    del file[STEM]
    file.create_dataset(STEM, SHAPE, "<f4", external=[(str(secret), 0, 4 * int(np.prod(SHAPE)))])


def external_link(file: h5py.File, secret: Path) -> None:
    del file[STEM]
    file[STEM] = h5py.ExternalLink(str(secret), "/x")


def soft_link(file: h5py.File, secret: Path) -> None:
    file["layers/again"] = h5py.SoftLink("/layers")


def virtual(file: h5py.File, secret: Path) -> None:
    del file[STEM]
    layout = h5py.VirtualLayout(SHAPE, "<f4")
    layout[...] = h5py.VirtualSource(str(secret), "x", SHAPE)
    file.create_virtual_dataset(STEM, layout)


def replaced_by(array: Callable[[h5py.File], object]) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, secret: Path) -> None:
        del file[STEM]
        array(file)

    return change


def one_infinite(file: h5py.File, secret: Path) -> None:
    file[STEM][0, 0, 0, 0] = np.inf


def group_in_itself(file: h5py.File, secret: Path) -> None:
    file["layers/conv2d/self"] = file["layers"]
    in_another_file(file, secret)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (in_another_file, "its array '/layers/conv2d/vars/0' lies in another file .'.*secret'"),
        (external_link, r"its '/layers/conv2d/vars/0' is a link to elsewhere .ExternalLink."),
        (soft_link, r"its '/layers/again' is a link to elsewhere .SoftLink."),
        (virtual, "its array '/layers/conv2d/vars/0' is put together from other files"),
        (group_in_itself, "lies in another file"),  # and the walk ends
        (one_infinite, "its array '/layers/conv2d/vars/0' has values that are NaN or infinite"),
        (replaced_by(lambda file: file.create_dataset(STEM, SHAPE, "<i4")), "of the type int32, expected floats"),
        (
            replaced_by(lambda file: file.create_dataset(STEM, SHAPE, np.dtype([("a", "<f4"), ("b", "<f4")]))),
            "is of the type .*, expected numbers",
        ),
        (
            replaced_by(lambda file: file.create_dataset(STEM, SHAPE, h5py.vlen_dtype(np.float32))),
            "is of the type object, expected numbers",
        ),
        (
            replaced_by(lambda file: file.create_dataset(STEM, SHAPE, h5py.ref_dtype)),
            "is of the type object, expected numbers",
        ),
        # Some bytes on disk that would be terabytes: the shape is compared before anything is read.
        (
            replaced_by(lambda file: file.create_dataset(STEM, (1 << 40,), "<f4", chunks=(1 << 20,))),
            r"layer 'level_0_conv' has \[5, 5, 3, 24\], but the file has \[1099511627776\]",
        ),
        # The right shape, in one block of a gigabyte.
        (
            replaced_by(
                lambda file: file.create_dataset(
                    STEM, SHAPE, "<f4", chunks=(5, 5, 3, 3_500_000), maxshape=(5, 5, 3, None), compression="gzip"
                )
            ),
            "of 7,200 bytes is stored in blocks of 1,050,000,000",
        ),
        (
            replaced_by(lambda file: file.create_dataset(STEM, SHAPE, "<f4", compression="lzf")),
            "is compressed in a way that weights are not",
        ),
    ],
)
def test_what_no_weights_file_needs_is_refused_by_name(
    network, good: Path, tmp_path: Path, change: Callable[[h5py.File, Path], None], message: str
) -> None:
    path, secret = tmp_path / "w.weights.h5", tmp_path / "secret"
    secret.write_bytes(SECRET * 4)
    shutil.copy(good, path)
    with h5py.File(path, "a") as file:
        change(file, secret)
    before = network.get_layer("level_0_conv").get_weights()[0]
    with pytest.raises(DataError, match=f"^weights 'x.h5' .*{message}") as raised:
        load_weights(network, "small", path, "x.h5")
    assert "\n" not in str(raised.value)
    np.testing.assert_array_equal(network.get_layer("level_0_conv").get_weights()[0], before)


def archive(path: Path, num_bytes: int, name: str = "model.weights.h5") -> None:
    """Writes a `.keras` that unpacks to many zeros."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed, packed.open(name, "w") as member:
        for _ in range(num_bytes >> 24):
            member.write(bytes(1 << 24))


def test_an_archive_is_not_unpacked_beyond_what_the_backbone_needs(network, tmp_path: Path) -> None:
    archive(tmp_path / "bomb.keras", GIB // 4)
    assert (tmp_path / "bomb.keras").stat().st_size < 1 << 19
    with pytest.raises(DataError, match=r"its model.weights.h5 unpacks to more than the [\d,]{10} bytes"):
        load_weights(network, "small", tmp_path / "bomb.keras", "bomb.keras")
    with (tmp_path / "large.h5").open("wb") as file:
        file.truncate(100 * GIB)
    with pytest.raises(DataError, match=r"it has 107,374,182,400 bytes, this backbone needs at most [\d,]{10,11};"):
        load_weights(network, "small", tmp_path / "large.h5", "large.h5")


@pytest.mark.parametrize("name", ["../../elsewhere.py", "/etc/cron.d/owned", "a/../../b"])
def test_an_archive_that_names_files_outside_is_refused(network, tmp_path: Path, name: str) -> None:
    archive(tmp_path / "outside.keras", 1 << 24, name)
    with pytest.raises(DataError, match=r"it holds a file '.*', outside the folder that it would be unpacked to"):
        load_weights(network, "small", tmp_path / "outside.keras", "outside.keras")


def test_many_names_that_are_one_long_text_are_refused(network, tmp_path: Path) -> None:
    path = tmp_path / "names.h5"
    with h5py.File(path, "w") as file:
        text = h5py.string_dtype()
        file.attrs.create("layer_names", np.array(["a" * (8 << 20)] * 2, object), dtype=text)
        # Stands for references to the same text, which h5py does not write: their number is what counts.
        file.attrs.create("weight_names", np.array(["b"] * 500, object), dtype=text)
    with pytest.raises(NotWeights, match=r"may have 500 names of up to 8,\d+,\d+ bytes"), open_weights(path, 0) as file:
        names_in(file, "weight_names")


def test_a_file_as_keras_writes_it_passes_with_its_optimizer(network, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((32, 32, 3)), network, keras.layers.Dense(3)])
    model.compile(optimizer="adam", loss="mse")
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "whole.keras")
    with open_weights(tmp_path / "whole.keras", 4 * network.count_params()) as file:
        assert "optimizer" in file
