"""What seconds come to in money and energy."""

import datetime
import math

import pytest

from components.contracts import PodSeconds
from components.cost.prices import Price, Prices
from components.cost.run_cost import run_cost, seconds_for
from components.errors import SettingsError
from components.words import as_energy, as_money

PRICES = Prices(
    place="a test",
    currency="USD",
    date=datetime.date(2026, 1, 31),
    source="nowhere",
    profiles={
        "laptop": Price(per_hour=0.0, watts=50.0),
        "cpu": Price(per_hour=0.36, watts=100.0),
        "gpu": Price(per_hour=3.6, watts=500.0, verified=False),
    },
)


def test_a_run_costs_what_its_steps_do_by_their_profiles() -> None:
    cost = run_cost({"shard": ("cpu", 100.0), "train": ("gpu", 1000.0)}, PRICES, num_tiles=500)
    assert cost.steps["shard"].cost == pytest.approx(0.01)
    assert cost.steps["train"].cost == pytest.approx(1.0)
    assert cost.cost == pytest.approx(1.01)
    assert cost.kwh == pytest.approx(100 * 100 / 3.6e6 + 500 * 1000 / 3.6e6)
    assert cost.cost_of_1000_tiles == pytest.approx(2.02)
    assert not cost.is_verified
    assert (cost.currency, cost.prices_of, cost.prices_source) == ("USD", "2026-01-31", "nowhere")


def test_a_step_from_kubeflow_s_cache_costs_nothing_and_says_so() -> None:
    cost = run_cost({"ingest": ("cpu", 100.0), "train": ("cpu", 100.0)}, PRICES, cached=["ingest", "merge"])
    assert {name: (step.cost, step.is_cached) for name, step in cost.steps.items()} == {
        "train": (pytest.approx(0.01), False),
        "ingest": (0.0, True),
        "merge": (0.0, True),
    }
    assert cost.cost == pytest.approx(0.01)
    assert cost.cost_of_1000_tiles is None


def test_a_profile_without_a_price_is_refused() -> None:
    with pytest.raises(SettingsError, match="no profile 'tpu'"):
        run_cost({"train": ("tpu", 1.0)}, PRICES)


@pytest.mark.parametrize(
    ("amount", "profile", "nodes", "seconds"),
    [(0.36, "cpu", 1, 3600.0), (0.36, "cpu", 4, 900.0), (0.01, "gpu", 2, 5.0), (0.01, "laptop", 2, math.inf)],
)
def test_money_pays_all_nodes_for_so_many_seconds(amount: float, profile: str, nodes: int, seconds: float) -> None:
    assert seconds_for(amount, profile, nodes, PRICES) == pytest.approx(seconds)


def test_seconds_of_pods_add_up_and_those_of_a_failed_attempt_are_lost() -> None:
    one = PodSeconds(waiting=1.0, starting=2.0, running=4.0)
    assert one.paid == 6.0
    assert one.as_lost() == PodSeconds(waiting=1.0, lost=6.0)
    assert (one.as_lost() + one).paid == 12.0


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0.0, "0 USD"),
        (1234.5, "1,234.50 USD"),
        (0.1, "0.10 USD"),
        (0.0314, "0.031 USD"),
        (0.00000314, "0.0000031 USD"),
        (1e-12, "0.000000000 USD"),
    ],
)
def test_an_amount_has_digits_that_say_something(amount: float, text: str) -> None:
    assert as_money(amount, "USD") == text


@pytest.mark.parametrize(
    ("kwh", "text"),
    [(2.34, "some 2.3 kWh (estimate)"), (0.5, "some 500 Wh (estimate)"), (0.00123, "some 1.2 Wh (estimate)")],
)
def test_energy_is_said_to_be_an_estimate(kwh: float, text: str) -> None:
    assert as_energy(kwh) == text
