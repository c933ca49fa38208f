"""What the record of a run on Kubeflow says that the run cost: step pods and workers, and nothing twice."""

import datetime

import msgspec
import pytest
from made_receipts import OF_TWO_WORKERS

from components.contracts import PodSeconds, RunCost, StepRecord
from components.cost.prices import Price, Prices
from components.errors import SettingsError
from pipeline.run_records.record_cost import cost_of_run, worker_seconds

PRICES = Prices(
    place="a test",
    currency="EUR",
    date=datetime.date(2026, 1, 31),
    source="nowhere",
    profiles={"cpu": Price(per_hour=0.36, watts=100.0), "gpu": Price(per_hour=3.6, watts=500.0)},
)
RECEIPT = msgspec.structs.replace(
    OF_TWO_WORKERS,
    profile="gpu",
    pods=PodSeconds(waiting=7.0, starting=10.0, running=40.0, lost=50.0),
    cost=RunCost(currency="EUR", prices_of="2026-01-31", num_tiles=500),
)


def step(pod_seconds=None, **fields):
    return StepRecord(state="succeeded", pod_seconds=pod_seconds, **fields)


def test_steps_cost_a_plain_node_and_workers_the_node_of_their_profile():
    cost = cost_of_run({"merge": step(100.0), "train": step(200.0, worker_pod_seconds=100.0)}, RECEIPT, PRICES)

    assert {name: round(each.cost, 6) for name, each in cost.steps.items()} == {
        "merge": 0.01,
        "train": 0.02,
        "train-workers": 0.1,
    }
    assert (cost.currency, round(cost.cost, 6), cost.num_tiles) == ("EUR", 0.13, 500)


def test_a_cached_step_costs_nothing_although_a_pod_looked_it_up():
    cost = cost_of_run({"ingest": step(5.0, is_cached=True), "merge": step(100.0)}, None, PRICES)

    assert (cost.steps["ingest"].cost, cost.steps["ingest"].is_cached) == (0.0, True)
    assert round(cost.cost, 6) == 0.01


def test_without_any_time_of_a_pod_the_cost_is_unknown_and_not_zero():
    assert cost_of_run({"merge": step(), "train": step(worker_pod_seconds=40.0)}, RECEIPT, PRICES) is None


def test_a_profile_without_a_price_is_named():
    receipt = msgspec.structs.replace(RECEIPT, profile="tpu")

    with pytest.raises(SettingsError, match="no profile 'tpu'"):
        cost_of_run({"train": step(200.0, worker_pod_seconds=100.0)}, receipt, PRICES)


@pytest.mark.parametrize(
    ("receipt", "train_seconds", "seconds"),
    [
        (None, 100.0, 0.0),
        (RECEIPT, 100.0, 100.0),  # without what they waited for a node
        (RECEIPT, None, 0.0),
        (RECEIPT, 19.0, 0.0),  # trained by an earlier run
        (msgspec.structs.replace(RECEIPT, profile="laptop"), 100.0, 0.0),  # in the step's own pod
        (msgspec.structs.replace(RECEIPT, pods=PodSeconds(), profile=""), 100.0, 40.0),  # of an earlier version
    ],
)
def test_the_seconds_of_the_workers_are_those_that_this_run_paid_for(receipt, train_seconds, seconds):
    assert worker_seconds(receipt, train_seconds) == seconds
