"""The evaluation of a trained model beside the one in production."""

import math
import shutil

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from colour_model import BANDS, colour_training, put_in_production, receipt_of
from evaluating import arrays_of, evaluate

from components.errors import DataError

pytestmark = pytest.mark.usefixtures("models_here")


def test_production_is_judged_on_the_same_tiles_by_its_own_thresholds(data, evaluated, models_uri, tmp_path):
    _, _, poor, good = data
    # Thresholds that let nothing pass: the production model must be judged by these, not by new ones.
    card = put_in_production(data[0], poor, evaluated, models_uri, thresholds=(1.0, 1.0, 1.0))
    outcome = evaluate(data, good, models_uri, tmp_path)
    evaluation, arrays = outcome.evaluation, arrays_of(data, outcome.evaluation)
    assert evaluation.production_version == card.version
    assert evaluation.production_training_id == "poor"
    assert evaluation.production_note == ""
    np.testing.assert_allclose(arrays["production"], arrays_of(data, evaluated)["candidate"], atol=1e-6)
    assert arrays["production_thresholds"].tolist() == [1.0, 1.0, 1.0]
    assert not arrays["production_predicted"].any()
    assert evaluation.production.macro_f1 == 0.0
    assert evaluation.candidate.macro_f1 == 1.0


def damage_nothing_but(path):
    def damage(folder):
        target = folder / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return damage


@pytest.mark.parametrize(
    ("damage", "note"),
    [
        (damage_nothing_but("card.json"), "has no card.json"),
        (damage_nothing_but("saved_model.pb"), "no SavedModel at"),
        (damage_nothing_but("variables"), "variables.data-00000-of-00001' is missing"),
        (lambda folder: (folder / "saved_model.pb").write_bytes(b"damaged"), "saved_model.pb' has sha256"),
        (lambda folder: (folder / "card.json").write_bytes(b"{}"), "is not a model card"),
        (lambda folder: shutil.rmtree(folder), "is not in"),
        (lambda folder: (folder / "../../production.json").write_bytes(b"{"), "production.json is not a channel"),
    ],
)
def test_a_damaged_production_model_is_noted_and_no_error(data, poor_in_production, tmp_path, damage, note):
    folder, card = poor_in_production
    shutil.copytree(folder, tmp_path / "models")
    damage(tmp_path / "models" / "versions" / card.version)
    after = evaluate(data, data[3], str(tmp_path / "models"), tmp_path).evaluation
    assert note in after.production_note
    assert after.production is None
    assert after.candidate.macro_f1 == 1.0
    assert "Not compared with production" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("changes", [{"classes": ("water", "drydown", "weed_cluster")}, {"bands": BANDS[:3]}])
def test_production_of_other_classes_or_bands_is_not_compared(data, poor_in_production, tmp_path, changes):
    folder, card = poor_in_production
    shutil.copytree(folder, tmp_path / "models")
    msgspec.structs.replace(card, **changes).write(tmp_path / "models" / "versions" / card.version / "card.json")
    after = evaluate(data, data[3], str(tmp_path / "models"), tmp_path).evaluation
    assert after.production is None
    assert after.production_version == card.version
    assert f"version {card.version} has the {next(iter(changes))}" in after.production_note


@pytest.mark.long
def test_answers_that_are_nan_are_noted_of_production_and_refused_of_a_candidate(data, evaluated, models_uri, tmp_path):
    root, manifest, _, good = data
    broken = colour_training(root, manifest, "broken")
    module = tf.saved_model.load(str(root / broken.model_path))
    module.colours.assign(tf.fill([3, 4], math.nan))
    wrapper = tf.Module()
    wrapper.module = module

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)] * 3)
    def predict_encoded(rgb, nir, valid_mask):
        return module.predict_encoded(rgb, nir, valid_mask) + tf.reduce_sum(module.colours)

    wrapper.predict_encoded = wrapper.logits_encoded = predict_encoded
    shutil.rmtree(root / broken.model_path)
    tf.saved_model.save(wrapper, str(root / broken.model_path))
    broken = receipt_of(root, manifest, "broken")
    with pytest.raises(DataError, match="logits must be finite, got NaN or infinity for 24 of 24"):
        evaluate(data, broken, models_uri, tmp_path)
    put_in_production(data[0], broken, evaluated, models_uri)
    assert "must be finite" in evaluate(data, good, models_uri, tmp_path).evaluation.production_note
