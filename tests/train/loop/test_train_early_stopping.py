import pytest
from curve_points import epoch_metrics

from components.contracts import EpochMetrics
from components.train.loop.when_to_end import is_better, should_stop


def metrics(f1: float, loss: float = 0.0, iou: float | None = None) -> EpochMetrics:
    return epoch_metrics(val_macro_f1=f1, val_loss=loss, val_mean_iou=iou)


@pytest.mark.parametrize(
    ("curve", "patience", "min_delta", "expected"),
    [
        ([], 1, 0.0, False),
        ([0.5], 1, 0.0, False),
        ([0.5, 0.4], 1, 0.0, True),
        ([0.5, 0.5], 1, 0.0, True),  # as good is not better
        ([0.5, 0.4], 0, 0.0, False),  # off
        ([0.5, 0.4, 0.6], 2, 0.0, False),
        ([0.5, 0.4, 0.45], 2, 0.0, True),
        ([0.5, 0.51, 0.52], 2, 0.05, True),
        ([0.5, 0.53, 0.56], 2, 0.05, False),  # slow, but better than the last that counted
        ([0.0, 0.0], 1, 0.0, True),
    ],
)
def test_training_stops_when_patience_is_at_an_end(
    curve: list[float], patience: int, min_delta: float, expected: bool
) -> None:
    assert should_stop([metrics(f1) for f1 in curve], patience, min_delta) is expected


def test_patience_of_a_dense_head_lasts_while_either_answer_gets_better_by_more() -> None:
    curve = [metrics(0.5, iou=0.25), metrics(0.5, iou=0.5), metrics(0.75, iou=0.25)]
    assert not should_stop(curve[:2], 1, 0.0)
    assert should_stop(curve, 1, 0.0), "as good is not better"


@pytest.mark.parametrize(
    ("new", "best", "expected"),
    [
        (metrics(0.1), None, True),
        (metrics(0.6, 0.4), metrics(0.5, 0.3), True),
        (metrics(0.6, 0.2), metrics(0.6, 0.4), True),  # the lower loss
        (metrics(0.6, 0.2), metrics(0.6, 0.2), False),  # the earlier epoch
        (metrics(0.5, 0.1), metrics(0.6, 0.2), False),
        # Of a dense head, tiles and pixels count the same.
        (metrics(0.75, iou=0.5), metrics(0.5, iou=0.625), True),
        (metrics(0.75, iou=0.25), metrics(0.5, iou=0.625), False),
        (metrics(0.75, 0.1, iou=0.25), metrics(0.5, 0.2, iou=0.5), True),  # the lower loss
    ],
)
def test_ties_go_to_the_lower_loss_then_to_the_earlier_epoch(
    new: EpochMetrics, best: EpochMetrics | None, expected: bool
) -> None:
    assert is_better(new, best) is expected
