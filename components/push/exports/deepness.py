"""What the QGIS plugin Deepness reads of an ONNX file: its metadata, as the plugin's documentation lists the keys.

The plugin cuts an orthophoto into tiles, gives each to the model as float32 [N, B, S, S] in 0..1, and takes the plane
that is the largest at a pixel for its class. So only models with a dense head can be used there: its other types want
boxes, numbers by pixel, or a picture to look for, and an answer for a whole tile is none of these.
"""

import json

from components.contracts import ModelCard
from components.printable import printable

_OVERLAP_PERCENT = 25  # so that what is near the edge of one tile is well inside another
_SMALLEST_PX = 9  # areas that the plugin's median filter smooths away
BACKGROUND = "background"


def deepness_metadata(card: ModelCard) -> dict[str, str]:
    """Returns the metadata by key; values are JSON.

    The ground resolution is left out, because no tile says it: the plugin asks its user.
    """
    names = [BACKGROUND, *map(printable, card.classes)]
    known: dict[str, object] = {
        "model_type": "Segmentor",
        "class_names": {str(place): name for place, name in enumerate(names)},
        "tile_size": card.image_size_px,  # the key that the plugin reads
        "tiles_size": card.image_size_px,  # the key that its documentation names
        "tiles_overlap": _OVERLAP_PERCENT,
        "seg_thresh": 0.0,  # the model has its own threshold for each class
        "seg_small_segment": _SMALLEST_PX,
        "standardization_mean": [0.0] * len(card.bands),
        "standardization_std": [1.0] * len(card.bands),
    }
    return {key: json.dumps(value) for key, value in known.items()}


def onnx_metadata(card: ModelCard) -> dict[str, str]:
    """Returns what any ONNX file says of its model; values are JSON."""
    known: dict[str, object] = {
        "version": card.version,
        "class_names": {str(place): printable(name) for place, name in enumerate(card.classes)},
        "bands": card.bands,
        "thresholds": card.thresholds,
        "label_mode": card.label_mode,
    }
    return {f"agrivision_{key}": json.dumps(value) for key, value in known.items()}
