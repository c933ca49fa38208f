"""train_max_cost: refused where it pays for nothing, and kept to where it ends a training."""

import datetime
import time

import pytest
from command_here import agrivision_here

from components.cost.prices import Price, Prices
from components.errors import SettingsError
from components.progress import StepLog
from components.train.charges import paid_seconds
from components.train.loop.when_to_end import TimeBudget
from components.train.settings.train_settings import TrainSettings

PRICES = Prices(
    place="a test",
    currency="USD",
    date=datetime.date(2026, 1, 31),
    source="nowhere",
    profiles={"laptop": Price(per_hour=0.0), "gke-gpu-a100": Price(per_hour=3.6)},
)


def test_a_budget_of_one_cent_is_refused_with_the_reason_and_the_figures() -> None:
    with pytest.raises(
        SettingsError,
        match=r"^train_max_cost is 0.010 USD, which pays 2 x gke-gpu-a100 for 5.0 s at 7.20 USD an hour; to start, "
        r"take a step and export takes at least 30 s, so set it to 0.060 USD or more$",
    ):
        paid_seconds(0.01, "gke-gpu-a100", 2, PRICES, StepLog("train"))


def test_a_budget_pays_for_seconds_and_where_nothing_costs_there_is_no_limit(capsys: pytest.CaptureFixture) -> None:
    assert paid_seconds(1.0, "gke-gpu-a100", 2, PRICES, StepLog("train")) == pytest.approx(500.0)
    assert paid_seconds(0.0, "gke-gpu-a100", 2, PRICES, StepLog("train")) == 0.0
    assert paid_seconds(0.01, "laptop", 1, PRICES, StepLog("train")) == 0.0
    assert "train_max_cost sets no limit: laptop costs nothing" in capsys.readouterr().out


@pytest.mark.parametrize("value", [-0.01, float("nan"), float("inf")])
def test_a_limit_that_is_no_amount_is_refused(value: float) -> None:
    with pytest.raises(SettingsError, match="train_max_cost must be at least 0"):
        TrainSettings(max_cost=value)


@pytest.mark.parametrize(
    ("paid", "lost", "resumed", "reserve", "ending", "expected"),
    [
        (0.0, 1e9, 1e9, 1e9, 1e9, False),  # no limit
        (100.0, 0.0, 0.0, 0.0, 0.0, False),  # 50 s since the start
        (100.0, 60.0, 0.0, 0.0, 0.0, True),  # an attempt that came to no checkpoint is paid for, too
        (100.0, 60.0, 30.0, 0.0, 0.0, True),
        (100.0, 40.0, 40.0, 0.0, 0.0, False),  # nothing counts twice
        (100.0, 0.0, 60.0, 0.0, 0.0, True),  # a launch that was killed has only its checkpoint
        (100.0, 0.0, 0.0, 55.0, 0.0, True),  # the last validation
        (100.0, 0.0, 0.0, 0.0, 55.0, True),  # and the export are paid for
    ],
)
def test_money_counts_all_attempts_and_what_follows_the_last_step(
    paid: float, lost: float, resumed: float, reserve: float, ending: float, expected: bool
) -> None:
    budget = TimeBudget(0, time.monotonic() - 50.0, paid, lost)
    budget.resume(resumed)
    budget.validated(reserve)
    budget.ending = ending
    assert budget.is_spent() is expected


def test_of_two_limits_the_one_that_is_reached_first_is_the_reason() -> None:
    now = time.monotonic()
    assert TimeBudget(100, now, 50.0).limit == "max_cost"
    assert TimeBudget(50, now, 100.0).limit == "max_seconds"
    assert TimeBudget(0, now, 100.0).limit == "max_cost"
    assert TimeBudget(50, now).limit == "max_seconds"


def test_before_the_first_validation_its_time_is_guessed_for_the_money_alone() -> None:
    budget = TimeBudget(100, time.monotonic() - 50.0, 100.0)
    budget.expect(validation=45.0, compiling=30.0)
    assert budget.is_spent()
    assert budget.limit == "max_cost"
    of_time = TimeBudget(100, time.monotonic() - 50.0)
    of_time.expect(validation=45.0, compiling=30.0)
    assert of_time.seconds_left() == pytest.approx(50.0, abs=5.0)
    of_time.validated(45.0)
    of_time.expect(validation=1.0, compiling=30.0)
    assert of_time.seconds_left() == pytest.approx(5.0, abs=5.0)


def test_a_run_on_a_cluster_is_refused_before_it_is_uploaded_if_its_limit_pays_for_nothing() -> None:
    places = ["--source-uri=gs://b/tiles", "--data-root=gs://b/data", "--models-uri=gs://b/models"]
    options = ["--train-profile=gke-gpu-a100", "--train-num-workers=2", "--train-max-cost=0.01"]
    result = agrivision_here("submit", *places, *options, "--host=http://127.0.0.1:9")
    assert result.returncode == 2
    assert "train_max_cost is 0.010 USD, which pays 2 x gke-gpu-a100 for 4.9 s at 7.35 USD an hour" in result.stderr
