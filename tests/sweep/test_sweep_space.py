"""A search space holds what its keys allow, and everything else is refused by name."""

import json

import pytest

from components.errors import SettingsError
from components.sweep.settings import SweepSettings
from components.sweep.space import Choice, Span, read_space
from pipeline.commands.sweep_options import read_search

ROWS = [
    ({"backbone": ["small", "mobilenet_v2"]}, Choice(("small", "mobilenet_v2"))),
    ({"nesterov": [True, False]}, Choice((True, False))),
    ({"learning_rate": [1, 0.5]}, Choice((1.0, 0.5))),
    ({"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}, Span(1e-4, 1e-2, False, True)),
    ({"zoom_range": {"low": 0, "high": 0.3}}, Span(0.0, 0.3, False, False)),
    # Kubeflow makes floats of the whole numbers in an object.
    ({"steps_per_call": {"low": 1.0, "high": 4.0}}, Span(1, 4, True, False)),
    ({"global_batch_size": [8.0, 16.0]}, Choice((8, 16))),
]


@pytest.mark.parametrize(("search", "expected"), ROWS)
def test_lists_and_ranges_become_values_of_the_keys_kind(search, expected):
    (found,) = read_space(search).values()

    assert found == expected
    assert repr(found) == repr(expected)  # 8 equals 8.0, and is written otherwise


REFUSED = [
    ({}, "sweep_search is empty; give keys to vary"),
    ([], r"sweep_search must be an object such as \{\}, got \[\]"),
    ({"learning_rates": [1, 2]}, r"sweep_search: unknown key 'learning_rates' \(did you mean 'learning_rate'\?\)"),
    ({"learning_rate": [0.1, -1]}, "sweep_search: learning_rate must be above 0, got -1.0"),
    ({"learning_rate": {"low": 0, "high": 1}}, "sweep_search: learning_rate must be above 0, got 0.0"),
    ({"learning_rate": {"low": float("nan"), "high": 1}}, "sweep_search: learning_rate must be above 0, got nan"),
    ({"learning_rate": [float("inf"), 1]}, "sweep_search: learning_rate must be above 0, got inf"),
    ({"learning_rate": [0.1, "fast"]}, "sweep_search: learning_rate must be a number, got 'fast'"),
    ({"learning_rate": [0.1, True]}, "sweep_search: learning_rate must be a number, got True"),
    ({"learning_rate": 0.1}, "learning_rate must be a list of values or a range, got 0.1; what all trials share"),
    ({"learning_rate": [0.1]}, "learning_rate must list between 2 and 100 values, got 1"),
    ({"learning_rate": [0.1, 0.1]}, "learning_rate lists 0.1 twice; keep one"),
    ({"global_batch_size": [8, 8.0]}, "global_batch_size lists 8 twice; keep one"),
    ({"global_batch_size": [8, 8.5]}, "sweep_search: global_batch_size must be a whole number, got 8.5"),
    ({"momentum": {"low": 0.9, "high": 1.0}}, "sweep_search: momentum must be at least 0 and below 1, got 1.0"),
    ({"learning_rate": {"low": 1, "high": 1}}, "the range of learning_rate must begin below its end, got 1.0 to 1.0"),
    ({"learning_rate": {"low": 1}}, "the range of learning_rate has no 'high'; it needs 'low' and 'high'"),
    ({"learning_rate": {"low": 1, "high": 2, "step": 1}}, "sweep_search: learning_rate: unknown key 'step'"),
    ({"learning_rate": {"low": 1, "high": 2, "log": 1}}, "log of learning_rate must be true or false, got 1"),
    ({"zoom_range": {"low": 0, "high": 0.3, "log": True}}, "zoom_range must begin above 0 to be logarithmic, got 0.0"),
    ({"backbone": {"low": 1, "high": 2}}, "backbone is no number and has no range; give a list of its values"),
    ({"backbone": ["small", "smal"]}, r"unknown backbone 'smal' \(did you mean 'small'\?\); expected one of"),
    ({"epochs": [2, 4]}, "epochs cannot be varied: successive halving sets it; set train_epochs"),
    ({"seed": [2, 4]}, "seed cannot be varied: a sweep repeats each trial with several seeds; set sweep_num_seeds"),
]


@pytest.mark.parametrize(("search", "message"), REFUSED)
def test_what_cannot_be_tried_is_refused_by_name(search, message):
    with pytest.raises(SettingsError, match=message):
        read_space(search)


def test_more_keys_than_the_sequence_has_dimensions_are_refused():
    search = {f"key_{number}": [1, 2] for number in range(17)}

    with pytest.raises(SettingsError, match="sweep_search must have at most 16 keys, got 17"):
        read_space(search)


GIVEN = [
    (["learning_rate=1e-4..1e-2:log"], {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}),
    (["learning_rate=0.1,1"], {"learning_rate": [0.1, 1.0]}),
    (["steps_per_call=1..4"], {"steps_per_call": {"low": 1, "high": 4}}),
    (["nesterov=true, False"], {"nesterov": [True, False]}),
    (["loss=focal,cross_entropy", "optimizer=SGD,AdamW"], {
        "loss": ["focal", "cross_entropy"], "optimizer": ["SGD", "AdamW"],
    }),
    # A path may have two dots in it.
    (["weights=../a.h5,../b.h5"], {"weights": ["../a.h5", "../b.h5"]}),
]  # fmt: skip


@pytest.mark.parametrize(("given", "search"), GIVEN)
def test_the_option_says_the_same_as_an_object(given, search):
    assert read_search(given) == search


def test_a_file_says_the_same_as_the_options(tmp_path):
    (tmp_path / "space.yaml").write_text(
        "backbone: [small, mobilenet_v2]  # with a remark\nlearning_rate: {low: 1e-4, high: 1e-2, log: true}\n"
    )
    (tmp_path / "space.json").write_text(json.dumps({"loss": ["focal", "cross_entropy"]}))

    found = read_search([str(tmp_path / "space.yaml"), "zoom_range=0..0.2", str(tmp_path / "space.json")])

    assert found == {
        "backbone": ["small", "mobilenet_v2"],
        "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "zoom_range": {"low": 0, "high": 0.2},
        "loss": ["focal", "cross_entropy"],
    }
    assert set(read_space(found)) == set(found)


BAD_OPTIONS = [
    (["learning_rate"], "--search must be KEY=VALUES, or a file that ends in .yaml, .yml, .json, got 'learning_rate'"),
    (["rate=1,2"], "sweep_search: unknown key 'rate'; the keys are backbone"),
    (["loss=focal,cross_entropy", "loss=focal,cross_entropy"], "--search gives loss twice; keep one"),
    (["missing.yaml"], "cannot read the search space in 'missing.yaml'"),
]


@pytest.mark.parametrize(("given", "message"), BAD_OPTIONS)
def test_an_option_that_says_nothing_is_refused(given, message):
    with pytest.raises(SettingsError, match=message):
        read_search(given)


@pytest.mark.parametrize("text", ["- a list", "learning_rate: [0.1", "text", "{" * 5000, "\x00"])
def test_a_file_that_holds_no_space_is_refused(tmp_path, text):
    path = tmp_path / "space.yaml"
    path.write_text(text)

    with pytest.raises(SettingsError, match=r"space.yaml (is no file of a search space|must have keys)"):
        read_search([str(path)])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("num_trials", 0, "sweep_num_trials must be between 1 and 64, got 0"),
        ("num_trials", 65, "sweep_num_trials must be between 1 and 64, got 65"),
        ("num_seeds", 11, "sweep_num_seeds must be between 1 and 10, got 11"),
        ("num_rungs", 4, "sweep_num_rungs must be between 1 and 3, got 4"),
        ("reduction", 1, "sweep_reduction must be between 2 and 10, got 1"),
        ("seed", -1, "sweep_seed must be at least 0, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(name, value, message):
    with pytest.raises(SettingsError, match=message):
        SweepSettings(search={}, **{name: value})
