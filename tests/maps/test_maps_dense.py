"""A model with a dense head has a map at full resolution: a cell is a pixel."""

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from map_rasters import pushed_colours, scene, write_raster
from tile_shards import BANDS, fake_record

from components.contracts import DenseScores
from components.maps.score import score_source
from components.maps.settings import ScoreSettings
from components.maps.work_folder import open_map
from components.predict.asking import answers
from components.predict.pushed_model import find_model
from components.predict.tile_files import asked_tiles
from components.progress import StepLog
from components.push.serving import save_serving_model
from components.registry import CARD
from components.saved_model.files import digests
from components.train.model.export import Classifier, export
from components.train.model.model import build_model

pytestmark = pytest.mark.usefixtures("models_here")


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    """Publishes a model with a dense head of random weights; returns its models folder and the network."""
    root = tmp_path_factory.mktemp("dense")
    _, card = pushed_colours(root)
    network = build_model("small", 64, 3, (0.4, 0.5, 0.6, 0.2), (0.1, 0.2, 0.3, 0.1), head="cam")
    export(Classifier(network, BANDS, 64, 1, single_label=False), str(root / "export"), is_chief=True)
    scores = DenseScores(
        mean_iou=0.5, interval=(0.4, 0.6), background_iou=0.5, class_iou={}, thresholds=(0.3, 0.4, 0.5), num_pixels=1
    )
    changes = {"version": "dense", "image_size_px": 64, "config": {"head": "cam"}, "files": {}, "dense": scores}
    card = msgspec.structs.replace(card, **changes)
    folder = root / "models" / "versions" / "dense"
    save_serving_model(root / "export", card, folder)
    msgspec.structs.replace(card, files=digests(str(folder))).write(folder / CARD)
    return str(folder), network


def test_a_tile_in_a_dense_map_has_the_places_that_predict_tells_of_it(tmp_path, dense):
    uri, _ = dense
    record = fake_record(2_003, size_px=64)
    for role, content in (("rgb", record.rgb), ("nir", record.nir)):
        (tmp_path / "tiles" / role).mkdir(parents=True)
        (tmp_path / "tiles" / role / "F_10-20-74-84.jpg").write_bytes(content)
    score_source(str(tmp_path / "tiles"), uri, str(tmp_path / "to"), ScoreSettings(), StepLog("score"))
    (reader,) = [open_map(str(path.parent)) for path in (tmp_path / "to").glob("_work/*/map.json")]
    values = np.concatenate([strip.probabilities for strip in reader.strips()])
    with asked_tiles([str(tmp_path / "tiles")], {}, print) as asked:
        (answer,) = answers(find_model(uri), asked.tiles, with_maps=True)
    maps = answer.places.maps
    odds = tf.image.resize((np.log(maps) - np.log1p(-maps))[np.newaxis], (64, 64), "bilinear")
    np.testing.assert_allclose(values, tf.sigmoid(odds)[0].numpy(), atol=1e-5)


def test_a_dense_map_has_the_maps_of_its_windows_scaled_to_pixels(tmp_path, dense):
    uri, network = dense
    assert find_model(uri).card.version == "dense"
    bands = scene(128, 192)
    nodata = np.zeros((128, 192), bool)
    nodata[:50, :70] = True
    bands[:, nodata] = 0
    path = write_raster(tmp_path / "a.tif", bands, nodata=0)
    settings = ScoreSettings(overlap=0.0, window_px=64)
    score_source(str(path), uri, str(tmp_path / "to"), settings, StepLog("score"))
    (reader,) = [open_map(str(path.parent)) for path in (tmp_path / "to").glob("_work/*/map.json")]
    assert (reader.grid.rows, reader.grid.columns, reader.grid.cell_px, reader.grid.is_dense) == (128, 192, 1, True)
    assert reader.grid.thresholds == (0.3, 0.4, 0.5)  # of places, not of tiles
    strips = list(reader.strips())
    values = np.concatenate([strip.probabilities for strip in strips])
    np.testing.assert_array_equal(np.concatenate([strip.valid for strip in strips]), ~nodata)
    for top, left in [(0, 0), (0, 64), (64, 128)]:
        at = slice(top, top + 64), slice(left, left + 64)
        image, valid = bands[:, *at].transpose(1, 2, 0)[np.newaxis], (~nodata[at])[np.newaxis, ..., np.newaxis]
        maps = network([image, valid.astype(np.uint8)], training=False)[1]
        expected = tf.sigmoid(tf.image.resize(maps, (64, 64), "bilinear"))[0].numpy()
        expected[nodata[at]] = 0
        np.testing.assert_allclose(values[at], expected, atol=1e-5)
