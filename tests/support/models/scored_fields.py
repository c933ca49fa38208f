"""Simulated logits of tiles in fields, of classes whose slopes and offsets are known."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class ScoredFields:
    """Tiles; arrays [N, C].

    Attributes:
      logits: As a model with a scale of its own for each class would give them.
      labels: Drawn from `probabilities`.
      unit_of_tile: The tile's field, [N].
      probabilities: The true ones, which are those of slope * logits + offset.
    """

    logits: np.ndarray
    labels: np.ndarray
    unit_of_tile: np.ndarray
    probabilities: np.ndarray


def scored_fields(
    slopes: np.ndarray, offsets: np.ndarray, num_fields: int, num_tiles: int, seed: int = 0
) -> ScoredFields:
    """Returns `num_tiles` tiles in each field; classes are from rare to common."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(num_fields), num_tiles).astype(np.int32)
    num_classes = len(slopes)
    true = np.linspace(-5, -1, num_classes) + 2 * rng.standard_normal((len(unit), num_classes))
    true += 0.7 * rng.standard_normal((num_fields, num_classes))[unit]
    probabilities = 1 / (1 + np.exp(-true))
    labels = rng.random(true.shape) < probabilities
    return ScoredFields(((true - offsets) / slopes).astype(np.float32), labels, unit, probabilities)
