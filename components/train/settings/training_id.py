"""The name of a training: equal data, tuning and code give the same one. Imports no TensorFlow."""

import hashlib
import importlib.metadata
import json
from pathlib import Path

from components.contracts import Manifest
from components.train.settings.config import TrainConfig

_LENGTH = 16
_WORKER_ROOMS = ("input", "peers", "step", "model", "checkpoint", "loop", "worker")
_WEIGHTS_DEPEND_ON = (
    "agrivision.py",
    "records/*.py",
    "train/settings/config.py",
    *(f"train/{room}/*.py" for room in _WORKER_ROOMS),
)


def training_id(
    manifest: Manifest,
    config: TrainConfig,
    num_workers: int,
    weights_sha256: str = "",
    max_seconds: int = 0,
    strategy: str = "",
) -> str:
    """Returns 16 hexadecimal digits that name the training.

    Args:
      weights_sha256: of the file that the backbone starts from, which counts instead of the file's name; empty if none.
      max_seconds: a shorter training is another one; 0 is without limit.
      strategy: one of strategies.STRATEGIES.
    """
    parts = {
        "manifest": manifest.sha256,
        "config": {**config.to_builtins(), "weights": weights_sha256},
        "num_workers": num_workers,
        "max_seconds": max_seconds,
        "strategy": strategy,
        "code": code_digest(),
        "versions": [_version("tensorflow", "tensorflow-cpu"), _version("keras")],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:_LENGTH]


def code_digest() -> str:
    """Returns the sha256 of the source files that weights depend on."""
    components = Path(__file__).parents[2]
    files = [path for place in _WEIGHTS_DEPEND_ON for path in sorted(components.glob(place))]
    digest = hashlib.sha256()
    for path in files:
        digest.update(str(path.relative_to(components)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _version(*names: str) -> str:
    # The CPU, GPU and TPU builds of TensorFlow are distributions of different names.
    for name in names:
        try:
            return f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"
