"""Stands in for published weights: a backbone for three bands with random weights."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from components.train.model.model import backbone_of, build_model
from components.train.settings.backbones import BACKBONES

MEAN, STD = (0.4, 0.5, 0.6, 0.2), (0.1, 0.2, 0.3, 0.1)  # red, green, blue, NIR


def random_tiles(side: int, num_bands: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns image uint8 [4, S, S, B] and valid uint8 [4, S, S, 1]."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 255, (4, side, side, num_bands)).astype(np.uint8)
    return image, rng.integers(0, 2, (4, side, side, 1)).astype(np.uint8)


def pretrained_model(name: str) -> Any:
    """Returns a model for RGB, as small as the backbone can be."""
    keras.utils.set_random_seed(1)
    side = BACKBONES[name].smallest_px
    return build_model(name, side, 3, MEAN[:3], STD[:3], is_pretrained=True)


def save_weights(name: str, path: Path) -> Any:
    """Writes `.weights.h5` of the backbone of a pretrained_model, and returns the model."""
    model = pretrained_model(name)
    backbone_of(model).save_weights(path)
    return model
