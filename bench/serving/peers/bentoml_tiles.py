"""What a user of BentoML writes to serve the SavedModel: a service with images as files, as BentoML's docs have it.

It runs in BentoML's own environment, and imports nothing of this project.
"""

import ctypes
import os
import signal
from pathlib import Path
from typing import Annotated, Any

import bentoml
import numpy as np
import tensorflow as tf
from bentoml.validators import ContentType

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux
_Jpeg = Annotated[Path, ContentType("image/jpeg")]
_Png = Annotated[Path, ContentType("image/png")]


@bentoml.service  # type: ignore[untyped-decorator]
class Tiles:
    """A model of tiles, with BentoML's own defaults: one worker, which answers one request at a time."""

    def __init__(self) -> None:
        # Only for the bench: this process has a session of its own, and would outlive the killed one that started it.
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        self._model: Any = tf.saved_model.load(os.environ["TILES_MODEL"])
        self._answer = self._model.signatures["masked"]

    @bentoml.api  # type: ignore[untyped-decorator]
    def classify(self, rgb: _Jpeg, nir: _Jpeg, valid_mask: _Png) -> np.ndarray:  # type: ignore[type-arg]
        """Returns the probabilities of a tile, float32 [1, C]."""
        files = {"rgb": rgb, "nir": nir, "valid_mask": valid_mask}
        images = {name: tf.constant([path.read_bytes()]) for name, path in files.items()}
        return self._answer(**images)["probabilities"].numpy()  # type: ignore[no-any-return]
