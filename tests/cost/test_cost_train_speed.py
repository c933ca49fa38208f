"""Forecasts of a training from receipts of those before it, on made-up times."""

import datetime
import math
import random
from pathlib import Path

import msgspec
import pytest
from made_receipts import EPOCH, FIXED, TILE, a_receipt

from components.cost.known_trainings import Kind, known_trainings, size_of
from components.cost.prices import Price, Prices
from components.cost.train_speed import Interval, TrainSize, forecast_seconds, speed_of
from components.errors import SettingsError
from components.progress import StepLog
from components.train.charges import check_forecast
from components.train.settings.config import TrainConfig


def test_the_time_of_a_training_is_read_off_its_receipt() -> None:
    size = TrainSize(400, 100, 4, 4)
    speed = speed_of(a_receipt(size), size)
    assert speed is not None
    assert speed.fixed_seconds == pytest.approx(FIXED)
    assert speed.tile_seconds == pytest.approx(TILE)
    assert speed.epoch_seconds == pytest.approx(EPOCH)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (TrainSize(4000, 1000, 10, 10), FIXED + 10 * (EPOCH + TILE * 4400)),
        (TrainSize(8, 8, 1, 1), FIXED + EPOCH + TILE * 11.2),
    ],
)
def test_a_training_of_another_size_is_forecast_and_lies_in_the_interval(size: TrainSize, expected: float) -> None:
    known = TrainSize(400, 100, 4, 4)
    interval = forecast_seconds([(a_receipt(known), known)], size)
    assert interval is not None
    assert interval.middle == pytest.approx(expected)
    assert interval.low == pytest.approx(expected / math.exp(2.0 * 0.35))
    assert interval.high == pytest.approx(expected * math.exp(2.0 * 0.35))


@pytest.mark.parametrize(
    "changes", [{"num_restarts": 1}, {"seconds": 1.0}, {"history": ()}], ids=["restarted", "resumed", "nothing"]
)
def test_a_receipt_whose_time_is_not_that_of_its_epochs_tells_nothing(changes: dict[str, object]) -> None:
    size = TrainSize(400, 100, 4, 4)
    assert forecast_seconds([(a_receipt(size, **changes), size)], size) is None
    assert forecast_seconds([], size) is None


def test_early_stopping_makes_the_lower_bound_that_of_its_patience() -> None:
    known, size = TrainSize(400, 100, 4, 4), size_of(400, 100, 8, epochs=50, patience=5)
    assert size.fewest_epochs == 6
    interval = forecast_seconds([(a_receipt(known), known)], size)
    assert interval is not None
    assert interval.low < interval.middle / 3


@pytest.mark.parametrize(("noise", "least"), [(0.05, 0.9), (0.3, 0.9), (0.6, 0.8)])
def test_eight_to_nine_of_ten_intervals_cover_however_noisy_the_machine(noise: float, least: float) -> None:
    """Of 400 series of eight trainings each, of varied size, on a machine whose speed varies by that much."""
    draw, covered = random.Random(7), 0
    for _ in range(400):
        sizes = [size_of(draw.randint(50, 2000), draw.randint(20, 500), 8, draw.randint(1, 20)) for _ in range(8)]
        receipts = [a_receipt(size, math.exp(draw.gauss(0.0, noise))) for size in sizes]
        interval = forecast_seconds(list(zip(receipts[:-1], sizes[:-1], strict=True)), sizes[-1])
        assert interval is not None
        covered += interval.low <= receipts[-1].seconds <= interval.high
    assert covered >= least * 400


def test_receipts_of_the_same_kind_are_found_and_damaged_ones_passed_over(tmp_path: Path) -> None:
    one = a_receipt(TrainSize(8, 8, 2, 2), num_train_tiles=13, num_val_tiles=5)
    kind = Kind("laptop", 1, one.config)
    assert known_trainings(str(tmp_path), kind) == []
    for number, content in enumerate((b"{", one.to_json(), msgspec.structs.replace(one, profile="cpu").to_json())):
        place = tmp_path / "training" / f"{number:016x}" / "receipt.json"
        place.parent.mkdir(parents=True)
        place.write_bytes(content)
    assert known_trainings(str(tmp_path), kind) == [(one, TrainSize(8, 5, 2, 2))]


@pytest.mark.parametrize(
    ("receipt", "same"),
    [
        ({}, True),
        ({"profile": "cpu"}, False),
        ({"num_workers": 2}, False),
        ({"config": TrainConfig(image_size_px=64, global_batch_size=8).to_builtins()}, False),
        ({"config": TrainConfig(image_size_px=32, global_batch_size=8, epochs=99).to_builtins()}, True),
    ],
)
def test_trainings_are_of_a_kind_if_a_tile_takes_them_equally_long(receipt: dict[str, object], same: bool) -> None:
    size = TrainSize(8, 8, 2, 2)
    kind = Kind("laptop", 1, a_receipt(size).config)
    assert kind.is_of(a_receipt(size, **receipt)) == same


def test_a_training_that_would_cost_more_than_it_may_is_refused_with_the_forecast(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gpu = {"gpu": Price(per_hour=3.6)}
    prices = Prices(place="a test", currency="USD", date=datetime.date(2026, 1, 1), source="", profiles=gpu)
    seconds, log = Interval(1000.0, 2000.0, 4000.0), StepLog("train")
    with pytest.raises(
        SettingsError,
        match=r"train_max_cost is 1.00 USD, but by earlier trainings of this kind this one costs 2.00 USD to 8.00 USD "
        r"\(2 x gpu for 1,000 to 4,000 s\); set it to 8.00 USD or more, or train fewer epochs",
    ):
        check_forecast(1.0, seconds, "gpu", 2, prices, log)
    check_forecast(3.0, seconds, "gpu", 2, prices, log)
    assert "this one costs 4.00 USD, from 2.00 USD to 8.00 USD" in capsys.readouterr().out
    check_forecast(1.0, None, "gpu", 2, prices, log)
    check_forecast(0.0, seconds, "gpu", 2, prices, log)
