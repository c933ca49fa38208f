"""The name of a training: equal data, tuning and code give the same one. Imports no TensorFlow."""

import hashlib
import importlib.metadata
import json

from components.contracts import Manifest
from components.train.settings.code_digest import code_digest
from components.train.settings.config import TrainConfig
from components.train.settings.preflight import resolve_bands, resolve_label_mode

_LENGTH = 16
# Of the libraries that compute: NumPy draws the order of the tiles, and simplejpeg decodes them.
_LIBRARIES = (("tensorflow", "tensorflow-cpu"), ("keras",), ("numpy",), ("simplejpeg",))


def training_id(
    manifest: Manifest,
    config: TrainConfig,
    num_workers: int,
    weights_sha256: str = "",
    max_seconds: int = 0,
    strategy: str = "",
    max_cost: float = 0.0,
) -> str:
    """Returns 16 hexadecimal digits that name the training.

    Args:
      weights_sha256: of the file that the backbone starts from, which counts instead of the file's name; empty if none.
      max_seconds: a shorter training is another one; 0 is without limit.
      max_cost: as max_seconds, in money.
      strategy: one of strategies.STRATEGIES.
    """
    parts = {
        "manifest": manifest.sha256,
        "config": {
            **config.to_builtins(),
            # What "auto" stands for, and the file's content instead of its name: how they are written changes nothing.
            "label_mode": resolve_label_mode(config, manifest),
            "bands": resolve_bands(config, manifest),
            "weights": weights_sha256,
        },
        "num_workers": num_workers,
        "max_seconds": max_seconds,
        "max_cost": max_cost,
        "strategy": strategy,
        "code": code_digest(),
        "versions": [_version(*names) for names in _LIBRARIES],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:_LENGTH]


def _version(*names: str) -> str:
    # The CPU, GPU and TPU builds of TensorFlow are distributions of different names.
    for name in names:
        try:
            return f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"
