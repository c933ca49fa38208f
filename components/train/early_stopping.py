"""Which epoch is the best, and when to wait for a better one no longer. Pure functions of the learning curve."""

from collections.abc import Sequence

from components.contracts import EpochMetrics


def is_better(metrics: EpochMetrics, best: EpochMetrics | None) -> bool:
    """Tells whether an epoch is to be the new best; ties in F1 go to the lower loss, then to the earlier epoch."""
    return best is None or (metrics.val_macro_f1, -metrics.val_loss) > (best.val_macro_f1, -best.val_loss)


def should_stop(history: Sequence[EpochMetrics], patience: int, min_delta: float) -> bool:
    """Tells whether the last `patience` epochs brought no validation macro F1 that is better by more than `min_delta`.

    All workers have the same curve, and so come to the same answer; so does one that resumes.

    Args:
      history: One entry per finished epoch.
      patience: Epochs; 0 never stops.
      min_delta: In F1; 0 counts any improvement.
    """
    if not patience:
        return False
    reference, last_better = float("-inf"), 0
    for place, metrics in enumerate(history):
        if metrics.val_macro_f1 > reference + min_delta:
            reference, last_better = metrics.val_macro_f1, place
    return len(history) - 1 - last_better >= patience
