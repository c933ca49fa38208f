"""Simulates a test set and models that answer it, whose quality is known: what the gate's promises are measured on.

Fields have several tiles, and classes are as rare as in the paper release. Whether a tile is got right depends on the
field and on the tile, and on the model in that field and on that tile: models of one quality differ only in these two.
"""

import dataclasses
import functools
import statistics
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from components.scoring.field_effects import total_macro_f1
from components.scoring.field_sums import Counts

# Share of tiles that have the class, as in the train and val tiles of the paper release.
RATES = (0.30, 0.23, 0.17, 0.075, 0.058, 0.046, 0.042, 0.038, 0.006)
NUM_CLASSES = len(RATES)
RARE, RAREST = NUM_CLASSES - 2, NUM_CLASSES - 1  # in 7.6 % and 1.2 % of the fields
NOTHING_FOUND = -100.0
RATE_IN_FIELD = 0.5  # of the tiles of a field where the class occurs
_MEAN_TILES = 28
# Variances, of sum 1: what all models share of a field and of a tile, and what each has for itself.
_FIELD, _TILE, _OWN_FIELD, _OWN_TILE = 0.35, 0.45, 0.05, 0.15
_RECALL = 0.75
_FALSE_ALARMS = 0.3  # as a share of the tiles that have the class


@dataclasses.dataclass(frozen=True)
class TestSet:
    """Tiles of fields, and what makes them easy or hard for every model.

    Attributes:
      field_of_tile: [N].
      first_tile: The first tile of each field; its tiles follow each other, [F].
      labels: [N, C].
      ease: Mean of what a model of quality 0 sees in a tile, a class is predicted above 0, float32 [N, C].
    """

    num_fields: int
    field_of_tile: NDArray[np.intp]
    first_tile: NDArray[np.intp]
    labels: NDArray[np.bool_]
    ease: NDArray[np.float32]

    def answers(
        self, generator: np.random.Generator, quality: float | NDArray[np.float64] = 0.0
    ) -> NDArray[np.float32]:
        """Returns the scores of a new model, float32 [N, C]; a class is predicted where they are above 0.

        Args:
          quality: Of all classes, or by class, [C]; at NOTHING_FOUND, a class is never predicted.
        """
        own = generator.standard_normal((self.num_fields, NUM_CLASSES), np.float32) * np.float32(_OWN_FIELD**0.5)
        noise = generator.standard_normal(self.labels.shape, np.float32) * np.float32(_OWN_TILE**0.5)
        shift = np.broadcast_to(np.asarray(quality, np.float32), (NUM_CLASSES,))
        scores = self.ease + np.where(self.labels, shift, -shift) + own[self.field_of_tile] + noise
        return np.where(shift == NOTHING_FOUND, np.float32(-1), scores)

    def counts(self, scores: NDArray[np.float32]) -> Counts:
        """Returns a model's sums by field."""
        predicted = scores > 0
        return Counts(*(self._by_field(of) for of in (self.labels & predicted, predicted)), self.true)

    @functools.cached_property
    def true(self) -> NDArray[np.int64]:
        """Tiles that have each class by field, [F, C]."""
        return self._by_field(self.labels)

    def _by_field(self, of_tiles: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.add.reduceat(of_tiles, self.first_tile, axis=0, dtype=np.int64)


def make_test_set(generator: np.random.Generator, num_fields: int) -> TestSet:
    """Returns a new test set."""
    field_of_tile = np.repeat(np.arange(num_fields), 1 + generator.poisson(_MEAN_TILES - 1, num_fields))
    shape = (len(field_of_tile), NUM_CLASSES)
    occurs = generator.random((num_fields, NUM_CLASSES)) < np.array(RATES) / RATE_IN_FIELD
    labels = occurs[field_of_tile] & (generator.random(shape) < RATE_IN_FIELD)
    normal = statistics.NormalDist()
    if_true = normal.inv_cdf(_RECALL)
    if_false = np.array([normal.inv_cdf(_FALSE_ALARMS * rate) for rate in RATES])
    of_field = generator.standard_normal((num_fields, NUM_CLASSES)) * _FIELD**0.5
    ease = np.where(labels, if_true, if_false) + of_field[field_of_tile] + generator.standard_normal(shape) * _TILE**0.5
    first_tile = np.searchsorted(field_of_tile, np.arange(num_fields))
    return TestSet(num_fields, field_of_tile, first_tile, labels, ease.astype(np.float32))


@functools.cache
def quality_of_gain(gain: float) -> float:
    """Returns the quality, of all classes, that adds `gain` to macro F1."""
    return _quality(lambda quality: np.full(NUM_CLASSES, quality), gain)


@functools.cache
def other_strengths(better: float) -> tuple[float, ...]:
    """Returns the quality by class of a model as good as one of quality 0, better at one class and worse at another.

    These two are the most frequent: a class that no test field has would leave the other one without its balance.
    """

    def qualities(worse: float) -> NDArray[np.float64]:
        return np.array([-worse, better, *[0.0] * (NUM_CLASSES - 2)])

    return tuple(qualities(-_quality(lambda quality: qualities(-quality), 0.0, low=-3 * better)))


def _quality(qualities: Callable[[float], NDArray[np.float64]], gain: float, low: float = 0.0) -> float:
    """Returns what adds `gain` to macro F1, on a test set large enough to tell; in `low`..`low` + 1."""
    generator = np.random.default_rng(1)
    everything = make_test_set(generator, 20_000)
    state = generator.bit_generator.state

    def reached(quality: NDArray[np.float64]) -> float:
        generator.bit_generator.state = state  # the same noise each time
        return total_macro_f1(everything.counts(everything.answers(generator, quality)))

    base, high = reached(np.zeros(NUM_CLASSES)), low + 1
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(qualities(middle)) - base < gain else (low, middle)
    return (low + high) / 2
