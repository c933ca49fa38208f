"""Writes a model in another format, with the converters of TensorFlow and of tf2onnx."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from components.contracts import ModelCard
from components.push.exports.deepness import deepness_metadata, onnx_metadata
from components.push.exports.kinds import LITERT_FP16, QGIS, ExportKind
from components.push.exports.portable import portable
from components.saved_model.answering import load_checked

_OPSET = 17  # of ONNX; what tf2onnx 1.17 writes is read by runtimes since 2022
_SIGNATURE = "serving_default"


def convert(exported_dir: Path, card: ModelCard, kind: ExportKind, target: Path) -> None:
    """Writes the model to the file `target`.

    Raises:
      DataError: if the model may not be loaded, or has not what the format needs; converters raise others.
    """
    exported = load_checked(exported_dir)
    function = portable(exported, card, kind)
    if kind.is_onnx:
        known = onnx_metadata(card) | (deepness_metadata(card) if kind.name == QGIS else {})
        content = _to_onnx(function, known)
    else:
        content = _to_litert(exported, function, target.with_suffix(".saved"), kind.name == LITERT_FP16)
    target.write_bytes(content)


def _to_onnx(function: Any, known: Mapping[str, str]) -> bytes:
    import tf2onnx

    model, _ = tf2onnx.convert.from_function(function, input_signature=function.input_signature, opset=_OPSET)
    for key, value in known.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    content: bytes = model.SerializeToString()
    return content


def _to_litert(exported: Any, function: Any, folder: Path, is_half: bool) -> bytes:
    module = tf.Module()
    # Tracked: without its variables in the SavedModel, the converter writes a file without weights, and no error.
    module.exported, module.function = exported, function
    tf.saved_model.save(module, os.fspath(folder), signatures={_SIGNATURE: function.get_concrete_function()})
    converter = tf.lite.TFLiteConverter.from_saved_model(os.fspath(folder), signature_keys=[_SIGNATURE])
    if is_half:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    content: bytes = converter.convert()
    return content
