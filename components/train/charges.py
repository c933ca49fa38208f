"""What a training may cost, before it starts, and what it did cost, once it is done."""

import math

import msgspec

from components.contracts import Manifest, PodSeconds, TrainingReceipt
from components.cost.known_trainings import size_of
from components.cost.prices import Prices
from components.cost.run_cost import run_cost, seconds_for
from components.cost.train_speed import Interval, TrainSize
from components.errors import SettingsError
from components.progress import StepLog
from components.train.settings.config import TrainConfig
from components.words import as_energy, as_money

_LEAST_SECONDS = 30.0  # to start a worker, take a step, validate and export: more on any machine


def paid_seconds(max_cost: float, profile: str, num_nodes: int, prices: Prices, log: StepLog) -> float:
    """Returns the seconds for which `train_max_cost` pays each node; 0 if it sets no limit.

    Args:
      max_cost: In the currency of the prices; 0 for no limit.
      profile: Of the nodes.
      num_nodes: The nodes that are paid for.
      prices: Has the profile.
      log: The step's log.

    Raises:
      SettingsError: If that is too little for any training, or the profile has no price.
    """
    if not max_cost:
        return 0.0
    seconds = seconds_for(max_cost, profile, num_nodes, prices)
    if math.isinf(seconds):
        log.line(f"train_max_cost sets no limit: {profile} costs nothing, by the prices in {prices.place}")
        return 0.0
    if seconds < _LEAST_SECONDS:
        per_hour = prices.of(profile).per_hour * num_nodes
        least = as_money(per_hour * _LEAST_SECONDS / 3600, prices.currency)
        raise SettingsError(
            f"train_max_cost is {as_money(max_cost, prices.currency)}, which pays {num_nodes} x {profile} for "
            f"{seconds:.1f} s at {as_money(per_hour, prices.currency)} an hour; to start, take a step and export takes "
            f"at least {_LEAST_SECONDS:.0f} s, so set it to {least} or more"
        )
    return seconds


def check_forecast(
    max_cost: float, seconds: Interval | None, profile: str, num_nodes: int, prices: Prices, log: StepLog
) -> None:
    """Refuses a training that would cost more than `train_max_cost`, even if it went as well as it may.

    Args:
      max_cost: In the currency of the prices; 0 for no limit.
      seconds: How long the training will take by those that were like it; None if there was none.
      profile: Of the nodes.
      num_nodes: The nodes that are paid for.
      prices: Has the profile.
      log: The step's log.

    Raises:
      SettingsError: If it would; says what it is forecast to cost.
    """
    if not max_cost or seconds is None:
        return
    cost = seconds.times(prices.of(profile).per_hour * num_nodes / 3600)
    low, middle, high = (as_money(amount, prices.currency) for amount in (cost.low, cost.middle, cost.high))
    by = f"{num_nodes} x {profile} for {seconds.low:,.0f} to {seconds.high:,.0f} s"
    if cost.low > max_cost:
        raise SettingsError(
            f"train_max_cost is {as_money(max_cost, prices.currency)}, but by earlier trainings of this kind this one "
            f"costs {low} to {high} ({by}); set it to {high} or more, or train fewer epochs"
        )
    log.line(f"by earlier trainings of this kind this one costs {middle}, from {low} to {high} ({by})")


def with_cost(
    receipt: TrainingReceipt, profile: str, pods: PodSeconds, prices: Prices, num_tiles: int
) -> TrainingReceipt:
    """Returns the receipt with what the workers took of their nodes' time, and what that cost.

    Raises:
      SettingsError: If there is no price of the profile.
    """
    cost = run_cost({"train": (profile, pods.paid)}, prices, num_tiles)
    return msgspec.structs.replace(receipt, profile=profile, pods=pods, cost=cost)


def cost_line(receipt: TrainingReceipt) -> str:
    """Returns what the training cost, in one line."""
    cost, pods = receipt.cost, receipt.pods
    if cost is None:
        return "nobody counted what the training cost"
    text = (
        f"the training cost {as_money(cost.cost, cost.currency)} and {as_energy(cost.kwh)}: {pods.paid:,.0f} s of "
        f"{receipt.profile}"
    )
    parts = [
        f"{seconds:,.0f} s {what}"
        for seconds, what in ((pods.starting, "to start"), (pods.lost, "in attempts that failed"))
        if seconds >= 0.5
    ]
    return text + (f", of which {' and '.join(parts)}" if parts else "")


def train_size(config: TrainConfig, manifest: Manifest) -> TrainSize:
    """Returns how much a training on this dataset has to do."""
    num_tiles = {split: summary.num_tiles for split, summary in manifest.splits.items()}
    patience = config.early_stopping_patience
    return size_of(
        num_tiles.get("train", 0), num_tiles.get("val", 0), config.global_batch_size, config.epochs, patience
    )
