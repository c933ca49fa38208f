"""A candidate with a dense head through the whole evaluation: what it is asked on val and on test, and its scores."""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from components.contracts import DenseScores, Manifest, ModelCard, TrainingReceipt
from components.evaluate.dense.dense_pass import DensePass, PixelSums, See, ValSample
from components.evaluate.reading.model_column import Answer
from components.progress import StepLog
from components.saved_model.answering import DENSE
from components.saved_model.asking import AskedModel
from components.saved_model.checked_answers import as_maps, as_probabilities
from components.scoring.dense.pixel_classes import log_odds
from components.scoring.dense.place_thresholds import UNDECIDED
from components.scoring.overlap_iou import overlap_iou

_BACKGROUND = "background"
_SERVED = "dense"  # the signature of a served model


@dataclasses.dataclass(frozen=True)
class DenseFound:
    """What came of the maps.

    Attributes:
      shares_right: The share of each test tile's valid pixels that are right, NaN without any, float32 [N].
      maps: Of the first test tiles, logits, float32 [n, h, w, C].
      production: The scores of the model in production; None without maps to compare.
    """

    scores: DenseScores
    shares_right: NDArray[np.float32]
    maps: NDArray[np.float32]
    production: DenseScores | None


class DenseCandidate:
    """First gives what to ask on val, if there is such a split, then on test, and then what was found."""

    def __init__(
        self, model: AskedModel, manifest: Manifest, receipt: TrainingReceipt, stack: contextlib.ExitStack
    ) -> None:
        self._model, self._manifest, self._receipt, self._stack = model, manifest, receipt, stack
        self._val: tuple[DensePass, ValSample] | None = None
        self._test: tuple[DensePass, PixelSums] | None = None
        self._production: tuple[DensePass, PixelSums] | None = None

    def on_val(self) -> Answer:
        """Returns the function that answers the val tiles."""
        sample = ValSample(self._manifest.splits["val"].num_tiles, len(self._manifest.classes))
        asking = self._passing(sample.see)
        self._val = asking, sample
        return asking.answer

    def on_test(self) -> Answer:
        """Returns the function that answers the test tiles; the thresholds of places follow from the pass over val.

        Raises:
          DataError: if the masks of a val tile cannot be read.
        """
        thresholds = (UNDECIDED,) * len(self._manifest.classes)
        if self._val is not None:
            asking, sample = self._val
            asking.finish()
            thresholds = sample.thresholds()
            self._val = None  # the sample has megabytes
        sums = PixelSums(thresholds)
        asking = self._passing(sums.see)
        self._test = asking, sums
        return asking.answer

    def beside(self, model: AskedModel, card: ModelCard) -> Answer | None:
        """Returns the function that has production answer the test tiles with maps, too; None if it has none."""
        classes = self._manifest.classes
        if card.dense is None or len(card.dense.thresholds) != len(classes):
            return None

        def ask(
            images: Mapping[str, Sequence[bytes]], num_classes: int
        ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            results, num_tiles = model.ask(_SERVED, images), len(images["rgb"])
            maps = as_maps(results, num_tiles, num_classes, card.version)
            return as_probabilities(results, num_tiles, num_classes, card.version), log_odds(maps)

        sums = PixelSums(card.dense.thresholds)
        asking = DensePass(ask, len(classes), card.image_size_px, sums.see)
        self._stack.callback(asking.close)
        self._production = asking, sums
        return asking.answer

    def found(self, with_production: bool) -> DenseFound:
        """Returns what came of it, after the pass over test.

        Args:
          with_production: Whether the model in production answered all tiles.

        Raises:
          DataError: if the masks of a test tile cannot be read.
        """
        assert self._test is not None
        asking, sums = self._test
        asking.finish()
        production = None
        if with_production and self._production is not None:
            beside, of_production = self._production
            beside.finish()
            production = _scores(self._manifest.classes, of_production)
        scores = _scores(self._manifest.classes, sums)
        return DenseFound(scores, np.array(sums.shares_right), np.array(sums.kept), production)

    def _passing(self, see: See) -> DensePass:
        asking = DensePass(self._model.dense, len(self._manifest.classes), self._receipt.image_size_px, see)
        self._stack.callback(asking.close)
        return asking


def dense_candidate(
    model: AskedModel, manifest: Manifest, receipt: TrainingReceipt, log: StepLog, stack: contextlib.ExitStack
) -> DenseCandidate | None:
    """Returns the candidate as one whose maps are judged, or None, with a line if it has maps that cannot be.

    Raises:
      DataError: if the model cannot be loaded.
    """
    if receipt.config.get("head", "tile") == "tile":
        return None
    if not manifest.label_masks:
        log.line("the maps are not judged: the shards hold no masks of the classes (shard_label_masks)")
        return None
    if not model.has(DENSE):
        log.line("the maps are not judged: an earlier version of this project exported the model; train it again")
        return None
    return DenseCandidate(model, manifest, receipt, stack)


def _scores(classes: tuple[str, ...], sums: PixelSums) -> DenseScores:
    units = [sums.by_unit[unit] for unit in sorted(sums.by_unit)]
    size = len(classes) + 1
    numbers = [str(c) for c in range(len(classes))]  # a class may be called "background"
    score = overlap_iou(numbers, np.array(units, np.int64).reshape(-1, size, size))
    named = dict(zip(classes, numbers, strict=True))
    return DenseScores(
        mean_iou=score.mean,
        interval=score.interval,
        background_iou=score.by_class[_BACKGROUND],
        background_interval=score.intervals.get(_BACKGROUND),
        class_iou={name: score.by_class[number] for name, number in named.items()},
        class_intervals={name: score.intervals[number] for name, number in named.items() if number in score.intervals},
        thresholds=sums.thresholds,
        num_pixels=sums.num_pixels,
    )
