"""A version as an item of a STAC catalog, by the Machine Learning Model extension: https://github.com/stac-extensions/mlm.

It tells other tools what the model takes and returns. Where its fields are is not known to any tile, so the item has no
geometry. Links to files are relative: the item lies beside them, wherever a version is copied to.
"""

import importlib.metadata
import json
import re
from collections.abc import Iterator
from typing import Any

from components.contracts import ModelCard
from components.printable import printable
from components.push.exports.kinds import IMAGE, KINDS, MAPS, PROBABILITIES, VALID

ITEM = "stac-item.json"
_EXTENSIONS = [
    "https://stac-extensions.github.io/mlm/v1.5.2/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
]
_SHA256 = "1220"  # how a multihash begins, of which `file:checksum` is one
_GRAPH = "saved_model.pb"
_MODEL_TYPE = "application/octet-stream; framework=tensorflow"
_NOT_IN_NAMES = re.compile(r"[^0-9A-Za-z_-]")  # of a class or a setting
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_TENSORFLOW = ("tensorflow-cpu", "tensorflow")  # one of them is installed
_UNKNOWN_TIME = "1970-01-01T00:00:00Z"


def stac_item(card: ModelCard) -> bytes:
    """Returns the item as JSON text."""
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": _EXTENSIONS,
        "id": f"agrivision-{card.version}",
        "geometry": None,
        "properties": _properties(card),
        "assets": dict(_assets(card)),
        "links": [],
    }
    return (json.dumps(item, indent=1, allow_nan=False) + "\n").encode()


def _properties(card: ModelCard) -> dict[str, Any]:
    config = card.config
    weights = str(config.get("weights") or "")
    known: dict[str, Any] = {
        "title": f"Crop patterns in aerial tiles, model {card.version}",
        "description": f"Says which of {len(card.classes)} patterns an aerial tile of a field shows; see README.md.",
        "datetime": card.lineage.pushed_at if card.lineage else _UNKNOWN_TIME,
        "bands": [{"name": name, "data_type": "uint8"} for name in card.bands],
        "mlm:name": f"agrivision-{card.version}",
        "mlm:architecture": printable(" ".join([card.backbone, *([str(config["head"])] if "head" in config else [])])),
        "mlm:tasks": _tasks(card),
        "mlm:framework": "TensorFlow",
        "mlm:pretrained": bool(weights),
        "mlm:pretrained_source": printable(weights) or None,
        "mlm:input": _inputs(card),
        "mlm:output": _outputs(card),
    }
    if version := _tensorflow_version():
        known["mlm:framework_version"] = version
    if card.training:
        known["mlm:total_parameters"] = card.training.num_parameters
    # Keys of another form are no settings of ours, and the extension takes none.
    if settings := {key: config[key] for key in sorted(config) if not _NOT_IN_NAMES.search(key)}:
        known["mlm:hyperparameters"] = settings
    return known


def _tasks(card: ModelCard) -> list[str]:
    return ["scene-classification", *(["semantic-segmentation"] if card.dense else [])]


def _inputs(card: ModelCard) -> list[dict[str, Any]]:
    side = card.image_size_px
    return [
        {
            "name": IMAGE,
            "description": "Decoded pixels. The model scales their values itself. The SavedModel takes JPEG or PNG "
            "files of any size instead, as card.json says, and resizes them itself.",
            "bands": list(card.bands),
            "input": {
                "shape": [-1, side, side, len(card.bands)],
                "dim_order": ["batch", "height", "width", "bands"],
                "data_type": "uint8",
            },
            "value_scaling": None,
            "resize_type": "interpolation-linear",
        },
        {
            "name": VALID,
            "description": "1 where a pixel counts: inside the field, and not masked; else 0.",
            "bands": [],
            "input": {
                "shape": [-1, side, side, 1],
                "dim_order": ["batch", "height", "width", "channel"],
                "data_type": "uint8",
            },
            "value_scaling": None,
        },
    ]


def _outputs(card: ModelCard) -> list[dict[str, Any]]:
    num_classes = len(card.classes)
    outputs = [
        {
            "name": PROBABILITIES,
            "description": "The calibrated probability that the tile shows each class.",
            "tasks": ["scene-classification"],
            "result": {"shape": [-1, num_classes], "dim_order": ["batch", "class"], "data_type": "float32"},
            "classification:classes": _classes(card, card.thresholds),
        }
    ]
    if card.dense:
        outputs.append(
            {
                "name": MAPS,
                "description": "The probability that each place shows each class; places may show several.",
                "tasks": ["semantic-segmentation"],
                "result": {
                    "shape": [-1, -1, -1, num_classes],
                    "dim_order": ["batch", "height", "width", "class"],
                    "data_type": "float32",
                },
                "classification:classes": _classes(card, card.dense.thresholds),
            }
        )
    return outputs


def _classes(card: ModelCard, thresholds: tuple[float, ...]) -> list[dict[str, Any]]:
    is_judged = card.label_mode != "single_label"
    return [
        {
            "value": place,
            "name": _NOT_IN_NAMES.sub("_", name) or "_",
            "title": printable(name),
            "description": f"yes from {threshold:.6g}" if is_judged else "yes if it is the most probable class",
        }
        for place, (name, threshold) in enumerate(zip(card.classes, thresholds, strict=False))
    ]


def _assets(card: ModelCard) -> Iterator[tuple[str, dict[str, Any]]]:
    yield (
        "model",
        {
            "href": f"./{_GRAPH}",
            "type": _MODEL_TYPE,
            "title": "TensorFlow SavedModel; its variables lie beside it",
            "roles": ["mlm:model", "mlm:compiled", "model"],
            "mlm:artifact_type": "tf.saved_model.save",
            **_checksum(card.files.get(_GRAPH, "")),
        },
    )
    for export in card.exports:
        if export.path and export.kind in KINDS:
            kind = KINDS[export.kind]
            yield (
                export.kind,
                {
                    "href": f"./{export.path}",
                    "type": kind.media_type,
                    "title": kind.title,
                    "roles": ["mlm:model", "mlm:compiled", "model"],
                    "mlm:artifact_type": kind.artifact_type,
                    "file:size": export.num_bytes,
                    **_checksum(card.attachments.get(export.path, "")),
                },
            )
    for name, path, kind_of_file in (
        ("card", "card.json", "application/json"),
        ("readme", "README.md", "text/markdown"),
    ):
        yield name, {"href": f"./{path}", "type": kind_of_file, "roles": ["metadata"]}


def _checksum(sha256: str) -> dict[str, str]:
    return {"file:checksum": _SHA256 + sha256} if sha256 else {}


def _tensorflow_version() -> str:
    for name in _TENSORFLOW:
        try:
            found = _VERSION.match(importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            continue
        return found[0] if found else ""
    return ""
