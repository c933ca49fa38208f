"""The formats that a model can be published in, as data. Imports no converter."""

import dataclasses
import importlib.util
from collections.abc import Mapping

from components.errors import SettingsError
from components.setting import nearest

EXPORTS_DIR = "exports"
ONNX, LITERT, LITERT_FP16, QGIS = "onnx", "litert", "litert-fp16", "qgis"
IMAGE, VALID = "image", "valid"  # what a file takes
PROBABILITIES, MAPS, CLASSES = "probabilities", "maps", "classes"  # what it returns
LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 1e-6, 1 - 1e-6  # of a place, so that its log-odds are finite
_EXTRA = "onnx"  # of this project's package
_FLOAT32_BYTES, _FLOAT16_BYTES = 4, 2


@dataclasses.dataclass(frozen=True)
class ExportKind:
    """One format.

    Attributes:
      path: Of its file, below the version's folder.
      media_type: As a STAC item names it.
      title: What the file is, for people.
      tolerance: The largest difference from the evaluated answers, which are probabilities.
      bytes_per_weight: What each weight takes in the file.
      modules: Python modules that converting and trying it need, beside TensorFlow.
      needs_maps: Whether only a model with a dense head has it.
    """

    name: str
    path: str
    media_type: str
    title: str
    tolerance: float = 1e-5
    bytes_per_weight: int = _FLOAT32_BYTES
    modules: tuple[str, ...] = ()
    needs_maps: bool = False

    @property
    def artifact_type(self) -> str:
        """How a STAC item names what was called to write such a file."""
        return "onnx.save" if self.is_onnx else "tf.lite.TFLiteConverter.convert"

    @property
    def is_onnx(self) -> bool:
        """Whether the file is ONNX, else it is LiteRT."""
        return self.path.endswith(".onnx")


_ONNX_MODULES = ("onnx", "onnxruntime", "tf2onnx")
_ONNX_TYPE, _LITERT_TYPE = "application/octet-stream; framework=onnx", "application/octet-stream; framework=litert"

KINDS: Mapping[str, ExportKind] = {
    kind.name: kind
    for kind in (
        ExportKind(ONNX, f"{EXPORTS_DIR}/model.onnx", _ONNX_TYPE, "ONNX, for decoded pixels", modules=_ONNX_MODULES),
        ExportKind(LITERT, f"{EXPORTS_DIR}/model.tflite", _LITERT_TYPE, "LiteRT, for decoded pixels"),
        ExportKind(
            LITERT_FP16,
            f"{EXPORTS_DIR}/model-fp16.tflite",
            _LITERT_TYPE,
            "LiteRT with weights of half precision, for decoded pixels",
            tolerance=1e-3,
            bytes_per_weight=_FLOAT16_BYTES,
        ),
        ExportKind(
            QGIS,
            f"{EXPORTS_DIR}/qgis-deepness.onnx",
            _ONNX_TYPE,
            "ONNX as the QGIS plugin Deepness takes it: one class a pixel",
            modules=_ONNX_MODULES,
            needs_maps=True,
        ),
    )
}


def parse_kinds(name: str, text: str) -> tuple[ExportKind, ...]:
    """Returns the formats of a text such as "onnx,litert", each once, in the order of KINDS.

    Args:
      name: Of the setting, for the message.

    Raises:
      SettingsError: for an unknown format.
    """
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    for each in wanted:
        if each not in KINDS:
            raise SettingsError(
                f"unknown {name} {each!r}{nearest(each, KINDS)}; expected any of {', '.join(KINDS)}, with "
                "commas between them"
            )
    return tuple(kind for key, kind in KINDS.items() if key in wanted)


def missing_modules(kind: ExportKind) -> str:
    """Returns which modules a format lacks here, and the way out, as a sentence without its end; empty if none."""
    missing = [module for module in kind.modules if importlib.util.find_spec(module) is None]
    if not missing:
        return ""
    return f"{', '.join(missing)} not installed here; install agrivision-kfp[{_EXTRA}], also in the image of the steps"


def require_modules(kinds: tuple[ExportKind, ...]) -> None:
    """Refuses formats that cannot be made here, before a run spends time on training.

    Raises:
      SettingsError: for the first of them.
    """
    for kind in kinds:
        if missing := missing_modules(kind):
            raise SettingsError(f"push_exports has {kind.name!r}, but {missing}")
