import pytest

from components.contracts import Bottleneck, EpochMetrics
from components.train.bottleneck import Circumstances, find_bottleneck, speed_verdict
from components.train.settings.config import TrainConfig


def epoch(tiles_per_second: float, input_wait_share: float) -> EpochMetrics:
    return EpochMetrics(
        epoch=0,
        train_loss=0.5,
        val_loss=0.5,
        val_macro_f1=0.5,
        learning_rate=1e-3,
        seconds=1.0,
        tiles_per_second=tiles_per_second,
        input_wait_share=input_wait_share,
    )


def found(*history: EpochMetrics, device="CPU", stored_size_px=128, is_remote=False, waits_in_loop=True, **tuning):
    config = TrainConfig(**{"global_batch_size": 32, "image_size_px": 128, **tuning})
    circumstances = Circumstances(config, device, 2, 4, stored_size_px, is_remote, waits_in_loop)
    return find_bottleneck(history, circumstances)


@pytest.mark.parametrize(
    ("shares", "bound_by", "said"),
    [
        ([0.0], "compute", "compute-bound, with 0.0% of"),
        ([0.0499], "compute", "compute-bound, with 5.0% of"),
        ([0.05], "input", "input-bound, with 5.0% of"),
        ([0.199], "input", "input-bound, with 19.9% of"),
        ([0.2], "input", "highly input-bound, with 20.0% of"),
        ([1.0], "input", "highly input-bound, with 100.0% of"),
        ([0.0, 0.12], "input", "input-bound, with 6.0% of"),  # of all epochs together
        ([], "compute", "too short to measure its speed."),
    ],
)
def test_the_verdict_goes_by_the_share_of_time_spent_waiting(shares, bound_by, said):
    bottleneck = found(*(epoch(64.0, share) for share in shares))
    assert bottleneck.bound_by == bound_by
    assert speed_verdict(bottleneck).startswith(f"training was {said}")


def test_an_epoch_counts_by_its_time():
    bottleneck = found(epoch(10.0, 0.4), epoch(30.0, 0.0))  # a slow one, three times as long
    assert bottleneck.input_wait_share == pytest.approx(0.3)
    assert bottleneck.tiles_per_second == pytest.approx(15.0)
    assert bottleneck.step_seconds == pytest.approx(32 / 15)
    assert "15 tiles/s, of 21 that the steps could process" in speed_verdict(bottleneck)


INPUT, COMPUTE = epoch(1000.0, 0.3), epoch(1000.0, 0.01)  # 32 ms a step


@pytest.mark.parametrize(
    ("row", "circumstances", "advised", "not_advised"),
    [
        (INPUT, {}, "more CPU cores for decoding (it has 4)", "shard_tile_size_px"),
        (INPUT, {"stored_size_px": 512}, "shard_tile_size_px=128; they have 512 px", "bucket"),
        (INPUT, {"stored_size_px": 255}, "cores", "shard_tile_size_px"),
        (INPUT, {"is_remote": True}, "a bucket in their region", "GPU"),
        (COMPUTE, {}, "train on a GPU, or use more than 2 workers", "bfloat16"),
        (COMPUTE, {"device": "GPU"}, '"precision": "bfloat16"', "train on a GPU"),
        (COMPUTE, {"device": "GPU"}, '"global_batch_size": 64', "steps_per_call"),
        (COMPUTE, {"device": "GPU", "precision": "bfloat16"}, "workers", '"precision"'),
        (epoch(10.0, 0.0), {"device": "GPU"}, "bfloat16", "global_batch_size"),  # a step of 3 s fills it
        (epoch(3200.0, 0.0), {"steps_per_call": 1}, '"steps_per_call": 0', "bfloat16"),  # 10 ms a step
        (epoch(3200.0, 0.0), {}, "GPU", "steps_per_call"),
        (epoch(3200.0, 0.0), {"steps_per_call": 4}, "GPU", "steps_per_call"),
        (COMPUTE, {"device": "TPU"}, "use more than 2 workers", "GPU"),
    ],
)
def test_what_to_change_follows_from_the_circumstances(row, circumstances, advised, not_advised):
    advice = found(row, **circumstances).advice
    assert advised in advice
    assert not_advised not in advice


def test_nothing_is_claimed_where_the_loop_does_not_wait_itself():
    bottleneck = found(epoch(1000.0, 0.0), waits_in_loop=False)
    assert bottleneck.bound_by == "unknown"
    assert "unknown factor" in speed_verdict(bottleneck)
    assert "another train_strategy" in speed_verdict(bottleneck)


def test_a_receipt_of_nothing_has_finite_numbers():
    assert Bottleneck() == Bottleneck(bound_by="compute", input_wait_share=0.0, tiles_per_second=0.0)
    assert speed_verdict(Bottleneck()) == "training was too short to measure its speed."
