"""The run form: its fields become parameters and back, and an error says where the form has what it names."""

import json

import pytest

from components.errors import SettingsError
from components.evaluate.settings import EvaluateSettings
from components.gate.settings import GateSettings
from components.setting import settings_from
from components.synth.dataset import write_dataset
from pipeline.form import fields, flat_values, form_values, in_form_words
from pipeline.parameters import PARAMETERS, Parameters
from pipeline.steps.plan import check_form

FORM = {name: each.default for name, each in fields(volume=True).items() if name != "volume_claim"}


def as_kubeflow_has_it(values):
    """Every number inside an object is a floating-point number there."""
    return {
        name: json.loads(json.dumps(value), parse_int=float) if isinstance(value, dict) else value
        for name, value in values.items()
    }


def test_the_form_as_it_is_shown_is_a_run_with_every_default():
    parameters = Parameters(**flat_values(as_kubeflow_has_it(FORM)))

    assert parameters.values == {name: each.default for name, each in PARAMETERS.items()}
    assert {name: type(value) for name, value in parameters.values.items()} == {
        name: type(each.default) for name, each in PARAMETERS.items()
    }
    assert form_values(parameters) == FORM


def test_what_a_file_says_in_either_form_is_one_run():
    flat = {"train_profile": "gke-gpu-l4", "train_cpu": "2", "ingest_seed": 7, "shard_tile_size_px": 256}
    objects = {
        "train_pool": {"profile": "gke-gpu-l4", "cpu": "2"},
        "data_options": {"seed": 7.0, "tile_size_px": 256.0},
    }

    assert Parameters(**flat_values(objects)).values == Parameters(**flat_values(flat)).values


def test_evaluation_and_gate_take_their_own_keys_of_one_object():
    given = {"max_miss_rate": 0.2, "min_class_f1": 0.1}

    parameters = Parameters(**flat_values({"gate_options": given}))

    assert (parameters.evaluate.max_miss_rate, parameters.gate.min_class_f1) == (0.2, 0.1)
    assert PARAMETERS["evaluate_max_miss_rate"].default == 0.1
    assert settings_from(EvaluateSettings, "gate_options", given, is_shared=True) == parameters.evaluate
    assert settings_from(GateSettings, "gate_options", given, is_shared=True) == parameters.gate


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_config": {"epoch": 6}}, "train_config: unknown key 'epoch' (did you mean 'epochs'?); the keys are "),
        ({"train_epochs": 0}, "train_epochs must be at least 1, got 0"),
        (
            {"train_pool": {"profile": "gke-gpu"}},
            "unknown train_profile 'gke-gpu' (did you mean 'gke-gpu-l4'?); in the run form it is the key 'profile' of "
            "train_pool; expected one of cpu, ",
        ),
        (
            {"gate_options": {"max_mis_rate": 0.2}},
            "gate_options: unknown key 'max_mis_rate' (did you mean 'max_miss_rate'?); the keys are max_miss_rate, ",
        ),
        (
            {"gate_options": {"max_miss_rate": 2}},
            "evaluate_max_miss_rate must be between 0 and 1, got 2.0; in the run form it is the key 'max_miss_rate' of "
            "gate_options",
        ),
        ({"gate_min_macro_f1": 50}, "gate_min_macro_f1 must be between 0 and 1, got 50"),
        (
            {"data_options": {"val_percent": 90}},
            "ingest_val_percent and ingest_test_percent must leave at least 1 percent for training, got 90 and 20; in "
            "the run form it is the key 'test_percent' of data_options",
        ),
        (
            {"data_options": {"tile_size_px": 64}, "train_image_size_px": 128},
            "at least train_image_size_px=128",
        ),
        ({"models_uri": "gs://<bucket>/models"}, "models_uri is still 'gs://<bucket>/models'; replace <bucket>"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name_in_the_form(tmp_path, changes, message):
    with pytest.raises(SettingsError) as error:  # noqa: PT011
        check_form(as_kubeflow_has_it(FORM | changes), str(tmp_path / "plan"))

    assert message in str(error.value)
    assert (tmp_path / "plan").read_text().startswith("# This run cannot succeed\n")


def test_an_input_larger_than_the_tiles_is_refused_before_the_tiles_are_read(tmp_path):
    write_dataset(tmp_path / "tiles", layout="paper-2020", num_tiles=6, seed=1, tile_size_px=64, num_processes=1)
    places = {
        "source_uri": str(tmp_path / "tiles"),
        "data_root": str(tmp_path / "d"),
        "models_uri": str(tmp_path / "m"),
    }

    check_form(as_kubeflow_has_it(FORM | places | {"train_image_size_px": 64}), str(tmp_path / "plan"), looks=True)
    with pytest.raises(SettingsError, match="must be at most the size of the tiles, 64 px, got 65"):
        check_form(as_kubeflow_has_it(FORM | places | {"train_image_size_px": 65}), str(tmp_path / "plan"), looks=True)
    assert "must be at most the size of the tiles, 64 px" in (tmp_path / "plan").read_text()


def test_an_error_about_a_field_of_its_own_is_left_as_it_is():
    assert in_form_words("train_epochs must be at least 1") == "train_epochs must be at least 1"


def test_the_plan_says_what_the_run_will_do_and_what_is_not_the_default(tmp_path):
    changes = {"train_epochs": 7, "train_pool": {"profile": "gke-gpu-l4"}, "source_uri": "gs://b/*tiles*"}

    line = check_form(as_kubeflow_has_it(FORM | changes), str(tmp_path / "plan"))

    assert line == "small for 7 epochs by 2 workers on gke-gpu-l4"
    text = (tmp_path / "plan").read_text()
    assert "- **Tiles from**: `gs://b/*tiles*`\n" in text
    assert "- **Training**: `small`, 7 epochs of 32 tiles a step\n" in text
    assert "on `gke-gpu-l4`: 6 CPU, 24Gi, 1 x nvidia.com/gpu each\n" in text
    assert "**Not the default**: `train_epochs=7`, `train_pool.profile=gke-gpu-l4`.\n" in text
