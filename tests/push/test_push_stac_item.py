"""The STAC item beside a pushed model: what the Machine Learning Model extension asks for, whatever names are in it."""

import json

import jsonschema
import msgspec
import pytest
from model_cards import card_of

from components.contracts import DenseScores, Export, Lineage, ModelCard, TrainingFacts
from components.push.stac_item import stac_item

TEXT = {"type": "string", "minLength": 1}
SHAPE = {
    "type": "object",
    "required": ["shape", "dim_order", "data_type"],
    "properties": {
        "shape": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": -1}},
        "dim_order": {"type": "array", "uniqueItems": True, "items": {"type": "string", "pattern": "^[a-z-_]+$"}},
        "data_type": {"enum": ["uint8", "float32"]},
    },
}
CLASS = {
    "type": "object",
    "required": ["value", "name", "description"],
    "properties": {"value": {"type": "integer"}, "name": {"type": "string", "pattern": "^[0-9A-Za-z-_]+$"}},
}
TASKS = {"type": "array", "uniqueItems": True, "items": {"enum": ["scene-classification", "semantic-segmentation"]}}
# What the extension's own schema, of version 1.5.2, requires of an item with these fields.
PROPERTIES = {
    "type": "object",
    "required": ["datetime", "bands", "mlm:name", "mlm:architecture", "mlm:tasks", "mlm:input", "mlm:output"],
    "properties": {
        "datetime": {"type": "string", "pattern": "^[0-9-]{10}T[0-9:]{8}Z$"},
        "bands": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["name"]}},
        "mlm:name": {"type": "string", "pattern": r"^[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]$"},
        "mlm:architecture": TEXT,
        "mlm:tasks": TASKS,
        "mlm:framework_version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
        "mlm:total_parameters": {"type": "integer", "minimum": 0},
        "mlm:pretrained": {"type": "boolean"},
        "mlm:pretrained_source": {"type": ["string", "null"]},
        "mlm:hyperparameters": {"minProperties": 1, "propertyNames": {"pattern": "^[0-9a-zA-Z_.-]+$"}},
        "mlm:input": {
            "type": "array",
            "items": {"required": ["name", "bands", "input"], "properties": {"name": TEXT, "input": SHAPE}},
        },
        "mlm:output": {
            "type": "array",
            "items": {
                "required": ["name", "tasks", "result"],
                "properties": {
                    "name": TEXT,
                    "tasks": TASKS,
                    "result": SHAPE,
                    "classification:classes": {"type": "array", "minItems": 1, "items": CLASS},
                },
            },
        },
    },
}
ASSET = {
    "type": "object",
    "required": ["href", "roles"],
    "properties": {"href": {"pattern": "^\\./"}, "file:checksum": {"pattern": "^1220[0-9a-f]{64}$"}},
    # A model says how its file was written, and nothing else does.
    "if": {"properties": {"roles": {"contains": {"const": "mlm:model"}}}},
    "then": {"required": ["mlm:artifact_type"]},
    "else": {"not": {"required": ["mlm:artifact_type"]}},
}
ITEM = {
    "type": "object",
    "required": ["type", "stac_version", "stac_extensions", "id", "geometry", "properties", "assets", "links"],
    "not": {"required": ["bbox"]},  # there is none without a geometry
    "properties": {
        "type": {"const": "Feature"},
        "stac_version": {"const": "1.1.0"},
        "stac_extensions": {"contains": {"const": "https://stac-extensions.github.io/mlm/v1.5.2/schema.json"}},
        "geometry": {"type": "null"},
        "properties": PROPERTIES,
        "assets": {"type": "object", "required": ["model"], "additionalProperties": ASSET},
        "links": {"type": "array"},
    },
}


def whole_card(**changes) -> ModelCard:
    fields = {
        "classes": ("water", "weed_cluster"),
        "bands": ("red", "green", "blue", "nir"),
        "thresholds": (0.25, 0.5),
        "config": {"epochs": 3, "head": "cam", "weights": "imagenet", "seed": None},
        "files": {"saved_model.pb": "a" * 64},
        "attachments": {"exports/model.onnx": "b" * 64},
        "exports": (
            Export(kind="onnx", path="exports/model.onnx", num_bytes=10),
            Export(kind="litert", problem="it differs"),
        ),
        "lineage": Lineage(pushed_at="2026-01-31T12:00:00Z"),
        "training": TrainingFacts(
            seconds=1.0,
            num_parameters=12,
            num_workers=1,
            strategy="one_device",
            num_restarts=0,
            num_epochs=3,
            best_epoch=1,
            ended_by="epochs",
        ),
        "dense": DenseScores(
            mean_iou=0.5, interval=(0.4, 0.6), background_iou=0.5, class_iou={}, thresholds=(0.3, 0.7), num_pixels=1
        ),
    }
    return msgspec.structs.replace(card_of("abc123def456"), **{**fields, **changes})


def item_of(card):
    text = stac_item(card)
    assert text.isascii()
    item = json.loads(text)
    jsonschema.validate(item, ITEM)
    return item


def test_the_item_says_what_the_model_takes_and_returns():
    properties = item_of(whole_card())["properties"]
    assert properties["mlm:name"] == "agrivision-abc123def456"
    assert properties["mlm:architecture"] == "small cam"
    assert properties["mlm:tasks"] == ["scene-classification", "semantic-segmentation"]
    assert (properties["mlm:pretrained"], properties["mlm:pretrained_source"]) == (True, "imagenet")
    assert properties["mlm:total_parameters"] == 12
    image, valid = properties["mlm:input"]
    assert image["bands"] == ["red", "green", "blue", "nir"] == [band["name"] for band in properties["bands"]]
    assert (image["input"]["shape"], valid["input"]["shape"]) == ([-1, 64, 64, 4], [-1, 64, 64, 1])
    # Where there are bands, a dimension is theirs; where there are none, no dimension is.
    assert ["bands" in each["input"]["dim_order"] for each in (image, valid)] == [True, False]
    tiles, places = properties["mlm:output"]
    assert (tiles["name"], tiles["result"]["shape"]) == ("probabilities", [-1, 2])
    assert [each["description"] for each in tiles["classification:classes"]] == ["yes from 0.25", "yes from 0.5"]
    assert [each["description"] for each in places["classification:classes"]] == ["yes from 0.3", "yes from 0.7"]


def test_the_item_names_the_files_that_are_there():
    assets = item_of(whole_card())["assets"]
    assert set(assets) == {"model", "onnx", "card", "readme"}
    assert assets["model"]["file:checksum"] == "1220" + "a" * 64
    assert (assets["onnx"]["href"], assets["onnx"]["file:size"]) == ("./exports/model.onnx", 10)
    assert assets["onnx"]["file:checksum"] == "1220" + "b" * 64


@pytest.mark.parametrize(
    "card",
    [
        card_of("plain"),  # of an earlier version
        whole_card(dense=None, exports=(), training=None, config={}),
        whole_card(label_mode="single_label", dense=None),
        whole_card(classes=("wässer\n", "<script>"), backbone="\x1b[2J", config={"a b": 1, "weights": "\u202e"}),
        whole_card(classes=("", "\ud7ff"), exports=(Export(kind="unheard-of", path="exports/x"),)),
    ],
    ids=["earlier", "bare", "single_label", "hostile", "empty"],
)
def test_an_item_of_any_card_is_one(card):
    item = item_of(card)
    assert "unheard-of" not in item["assets"]


def test_a_name_keeps_its_text_beside_what_the_extension_allows():
    classes = item_of(whole_card(classes=("wässer", "weed cluster")))["properties"]["mlm:output"][0][
        "classification:classes"
    ]
    assert [(each["name"], each["title"]) for each in classes] == [
        ("w_sser", "wässer"),
        ("weed_cluster", "weed cluster"),
    ]
