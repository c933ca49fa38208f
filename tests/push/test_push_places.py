"""The signature `maps`: what the tile would be answered if all of it were like one place, checked before a push."""

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from colour_model import BANDS, colour_training
from model_cards import card_of
from tile_shards import CLASSES, fake_record, manifest_of

from components.contracts import Calibration
from components.errors import DataError
from components.push.serving import save_serving_model
from components.push.verify_places import check_place_maps
from components.saved_model.asking import CannotAnswer

RECORDS = [fake_record(2005 + number) for number in range(3)]
CALIBRATION = Calibration(slopes=(0.1, 0.15, 0.2), offsets=(0.3, -0.2, 0.0))


def log_odds(values):
    values = np.clip(values.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.log(values / (1 - values))


@pytest.mark.long
@pytest.mark.parametrize("calibration", [Calibration(), CALIBRATION], ids=["of an earlier version", "calibrated"])
@pytest.mark.parametrize(
    ("label_mode", "num_bands"), [("multi_label", 4), ("multi_label", 3), ("single_label", 4), ("single_label", 3)]
)
def test_places_average_to_the_answer_of_the_tile_which_stays_the_same(tmp_path, label_mode, num_bands, calibration):
    manifest = manifest_of({}, 48, bands=BANDS[:num_bands])
    receipt = colour_training(tmp_path, manifest, label_mode=label_mode)
    card = msgspec.structs.replace(
        card_of("v"), classes=CLASSES, bands=manifest.bands, label_mode=label_mode, thresholds=(0.5,) * 3,
        calibration=calibration, image_size_px=32,
    )  # fmt: skip
    names = save_serving_model(tmp_path / receipt.model_path, card, tmp_path / "served")
    signatures = tf.saved_model.load(str(tmp_path / "served")).signatures
    images = {name: tf.constant([getattr(each, name) for each in RECORDS]) for name in ("rgb", "nir", "valid_mask")}
    taken = {name: of for name, of in images.items() if name != "nir" or num_bands == 4}
    places, masked = signatures["maps"](**taken), signatures["masked"](**taken)

    assert names == ("serving_default", "masked", "maps", "pixels", "decoded")
    assert set(places) == {*masked, "maps"}
    for name, of in masked.items():
        if name == "probabilities":
            np.testing.assert_allclose(places[name], of, atol=1e-6)
        else:
            np.testing.assert_array_equal(places[name], of)
    maps = places["maps"].numpy()
    assert maps.shape == (3, 8, 8, 3)
    assert ((maps >= 0) & (maps <= 1)).all()
    if calibration is not CALIBRATION:
        return  # whose places are so certain that 24 bits do not hold how much
    if label_mode == "single_label":
        means = np.exp(np.log(maps.astype(np.float64)).mean(axis=(1, 2)))
        found, expected = means / means.sum(axis=1, keepdims=True), masked["probabilities"].numpy()
    else:
        found, expected = log_odds(maps).mean(axis=(1, 2)), log_odds(masked["probabilities"].numpy())
    np.testing.assert_allclose(found, expected, atol=1e-3)


class FakeModel:
    """A model whose places answer as they are told."""

    def __init__(self, answer):
        self._answer = answer

    def ask(self, function, images):
        assert function == "maps"
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


PROBABILITIES = np.array([[0.5, 0.2, 0.9]] * 3, np.float32)
MAPS = np.broadcast_to(PROBABILITIES[:, np.newaxis, np.newaxis], (3, 4, 4, 3)).astype(np.float32)


def good():
    return {"probabilities": PROBABILITIES.copy(), "maps": MAPS.copy()}


def changed(name, at, value):
    answer = good()
    answer[name][at] = value
    return answer


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (changed("probabilities", (1, 0), 0.51), r"its signature 'maps' answers 0.01 off, expected at most 1e-05"),
        (changed("maps", (1, 2, 3, 0), 1.01), r"the maps of its signature 'maps' must be between 0 and 1"),
        (changed("maps", (1, 2, 3, 0), -0.01), r"must be between 0 and 1"),
        (changed("maps", (1, 2, 3, 0), np.nan), r"its maps are not finite"),
        (
            changed("maps", (1, slice(None), slice(None), 0), 0.7),
            r"the map of water of tile \S+ does not average to its",
        ),
        ({"probabilities": PROBABILITIES}, r"must answer float32 \[3, 1, 1, 3\], got nothing"),
        (CannotAnswer("a bad image"), r"it cannot answer for the places of tiles .*: a bad image"),
    ],
)
def test_places_that_do_not_explain_the_answer_are_not_pushed(answer, text):
    card = msgspec.structs.replace(card_of("v"), classes=CLASSES, label_mode="multi_label", image_size_px=32)
    check_place_maps(FakeModel(good()), "models/v", RECORDS, PROBABILITIES, card)
    with pytest.raises(DataError, match=text):
        check_place_maps(FakeModel(answer), "models/v", RECORDS, PROBABILITIES, card)


def test_the_places_of_one_class_of_a_tile_are_answers_to_one_question():
    card = msgspec.structs.replace(card_of("v"), classes=CLASSES, label_mode="single_label", image_size_px=32)
    probabilities = np.array([[0.5, 0.2, 0.3]] * 3, np.float32)
    maps = np.broadcast_to(probabilities[:, np.newaxis, np.newaxis], (3, 4, 4, 3)).astype(np.float32)
    check_place_maps(
        FakeModel({"probabilities": probabilities, "maps": maps}), "models/v", RECORDS, probabilities, card
    )
    swapped = {"probabilities": probabilities, "maps": maps[..., ::-1].copy()}
    with pytest.raises(DataError, match=r"the map of water of tile \S+ does not average to its answer"):
        check_place_maps(FakeModel(swapped), "models/v", RECORDS, probabilities, card)
