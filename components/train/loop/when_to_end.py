"""Decides when a training ends: which epoch is best, when to stop waiting for a better one, and when time is up."""

import time
from collections.abc import Sequence

from components.contracts import EpochMetrics


def epoch_score(metrics: EpochMetrics) -> float:
    """Returns how good an epoch's weights are, 0..1: macro F1, or with a dense head its mean with the mean IoU.

    A dense head is trained for its maps, but the gate judges by the answers for tiles: neither is bought with the
    other.
    """
    if metrics.val_mean_iou is None:
        return metrics.val_macro_f1
    return (metrics.val_macro_f1 + metrics.val_mean_iou) / 2


def is_better(metrics: EpochMetrics, best: EpochMetrics | None) -> bool:
    """Returns whether an epoch is the new best; ties in score go to the lower loss, then to the earlier epoch."""
    return best is None or (epoch_score(metrics), -metrics.val_loss) > (epoch_score(best), -best.val_loss)


def should_stop(history: Sequence[EpochMetrics], patience: int, min_delta: float) -> bool:
    """Returns whether none of the last `patience` epochs improved the score of validation by more than `min_delta`.

    All workers, resumed or not, have the same history and so get the same answer.

    Args:
      history: One entry per finished epoch.
      patience: Epochs; 0 never stops.
      min_delta: In units of the score; 0 counts any improvement.
    """
    if not patience:
        return False
    reference, last_better = float("-inf"), 0
    for place, metrics in enumerate(history):
        if epoch_score(metrics) > reference + min_delta:
            reference, last_better = epoch_score(metrics), place
    return len(history) - 1 - last_better >= patience


class TimeBudget:
    """Counts the seconds of a training.

    Attributes:
      max_seconds: Time limit; 0 means no limit.
      reserve: Seconds to keep for the last validation.
    """

    def __init__(self, max_seconds: float, started: float) -> None:
        """Starts counting.

        Args:
          max_seconds: Time limit; 0 means no limit.
          started: time.monotonic() when this process started.
        """
        self.max_seconds = max_seconds
        self._started = started
        self._before = 0.0
        self.reserve = 0.0

    def resume(self, seconds: float) -> None:
        """Adds the seconds that were spent before the checkpoint from which training resumes."""
        self._before = seconds

    def spent(self) -> float:
        """Returns the seconds spent so far, over all restarts."""
        return self._before + time.monotonic() - self._started

    def is_spent(self) -> bool:
        """Returns whether it is time to finish."""
        return self.max_seconds > 0 and self.spent() + self.reserve >= self.max_seconds
