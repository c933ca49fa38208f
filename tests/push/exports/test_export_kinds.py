"""Which formats may be asked for, and what is said of one that cannot be made here."""

import json

import msgspec
import pytest
from model_cards import card_of

from components.errors import SettingsError
from components.push.exports import kinds
from components.push.exports.deepness import deepness_metadata, onnx_metadata
from components.push.exports.kinds import KINDS, missing_modules, require_modules
from components.push.settings import PushSettings
from pipeline.form import flat_values
from pipeline.parameters import Parameters


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("onnx", ["onnx"]),
        (" litert , onnx ", ["onnx", "litert"]),  # in the table's order
        ("litert,litert,,", ["litert"]),
        ("qgis,litert-fp16", ["litert-fp16", "qgis"]),
    ],
)
def test_formats_are_named_with_commas_between_them(text, names):
    assert [kind.name for kind in PushSettings(exports=text).kinds] == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "onx",
            r"unknown push_exports 'onx' \(did you mean 'onnx'\?\); expected any of onnx, litert, litert-fp16, qgis",
        ),
        ("onnx;litert", r"unknown push_exports 'onnx;litert'"),
        ("../../etc", r"unknown push_exports '../../etc'; expected any of"),
    ],
)
def test_an_unknown_format_is_refused_with_the_known_ones(text, message):
    with pytest.raises(SettingsError, match=message):
        PushSettings(exports=text)


def test_the_run_form_has_the_formats_among_the_options_of_the_gate():
    parameters = Parameters(**flat_values({"gate_options": {"exports": "litert"}}))
    assert [kind.name for kind in parameters.push.kinds] == ["litert"]
    with pytest.raises(SettingsError, match="unknown push_exports 'tflite'"):
        Parameters(**flat_values({"gate_options": {"exports": "tflite"}}))


def test_a_format_whose_converter_is_not_installed_is_refused_before_training(monkeypatch):
    monkeypatch.setattr(kinds.importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else object())
    assert missing_modules(KINDS["litert"]) == ""
    require_modules((KINDS["litert"],))
    with pytest.raises(
        SettingsError, match=r"has 'onnx', but tf2onnx not installed here; install agrivision-kfp\[onnx\]"
    ):
        require_modules((KINDS["litert"], KINDS["onnx"]))


def test_the_metadata_is_what_deepness_reads():
    card = msgspec.structs.replace(card_of("v"), classes=("water", "weed\n"), bands=("red", "green", "blue", "nir"))
    known = {key: json.loads(value) for key, value in deepness_metadata(card).items()}
    assert known == {
        "model_type": "Segmentor",
        "class_names": {"0": "background", "1": "water", "2": "weed\\n"},
        "tile_size": 64,
        "tiles_size": 64,
        "tiles_overlap": 25,
        "seg_thresh": 0.0,
        "seg_small_segment": 9,
        "standardization_mean": [0.0] * 4,
        "standardization_std": [1.0] * 4,
    }
    assert json.loads(onnx_metadata(card)["agrivision_class_names"]) == {"0": "water", "1": "weed\\n"}
