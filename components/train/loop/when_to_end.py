"""Decides when a training ends: which epoch is best, when to wait no longer for a better, when a limit is reached."""

import math
import time
from collections.abc import Sequence

from components.contracts import EpochMetrics
from components.train.settings.worker_spec import ENDED_OUT_OF_MONEY, ENDED_OUT_OF_TIME


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
    """Counts the seconds of a training, and those that its nodes must be paid for.

    The two differ. A time limit counts what led to the newest checkpoint. A limit of money counts all that the nodes
    were held for: also what was lost between a checkpoint and a crash, and what comes after the last validation.

    Attributes:
      max_seconds: Time limit; 0 means no limit.
      paid_seconds: Seconds that there is money for; 0 means no limit.
      reserve: Seconds to keep for the last validation; before the first one, for the money only.
      ending: Seconds to keep for what follows it, such as the export; counts for the money only.
    """

    def __init__(
        self, max_seconds: float, started: float, paid_seconds: float = 0.0, spent_seconds: float = 0.0
    ) -> None:
        """Starts counting.

        Args:
          max_seconds: Time limit; 0 means no limit.
          started: time.monotonic() when this process started.
          paid_seconds: Seconds that there is money for; 0 means no limit.
          spent_seconds: Of these, what earlier attempts took.
        """
        self.max_seconds = max_seconds
        self.paid_seconds = paid_seconds
        self._started = started
        self._before = 0.0
        self._lost = spent_seconds
        self._has_validated = False
        self._compiling = 0.0
        self.reserve = 0.0
        self.ending = 0.0

    def resume(self, seconds: float) -> None:
        """Adds the seconds that were spent before the checkpoint from which training resumes."""
        self._before = seconds

    def spent(self) -> float:
        """Returns the seconds spent so far, over all restarts."""
        return self._before + time.monotonic() - self._started

    def expect(self, validation: float, compiling: float) -> None:
        """Sets how long what follows the steps may take, by how long they did.

        Args:
          validation: Seconds of a validation; those of the last one count instead once there is one.
          compiling: Seconds in which a step was compiled; the export takes a third of that for its functions.
        """
        self._compiling = compiling
        if not self._has_validated:
            self.reserve = validation

    def validated(self, seconds: float) -> None:
        """Records how long a validation took."""
        self._has_validated = True
        self.reserve = seconds

    def seconds_left(self) -> float:
        """Returns the seconds until it is time to finish; infinite without a limit."""
        return min(self._time_left(), self._money_left())

    def is_spent(self) -> bool:
        """Returns whether it is time to finish."""
        return self.seconds_left() <= 0

    @property
    def limit(self) -> str:
        """The limit that is reached first: one of worker_spec.ENDED_*."""
        return ENDED_OUT_OF_MONEY if self._money_left() < self._time_left() else ENDED_OUT_OF_TIME

    def _time_left(self) -> float:
        reserve = self.reserve if self._has_validated else 0.0
        return self.max_seconds - self.spent() - reserve if self.max_seconds else math.inf

    def _money_left(self) -> float:
        if not self.paid_seconds:
            return math.inf
        # A launch that was killed kept no account, but its checkpoint did.
        spent = self.spent() + max(0.0, self._lost - self._before)
        return self.paid_seconds - spent - self.reserve - self.ending - self._compiling / 3
