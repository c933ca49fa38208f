"""What other numbers of workers would make of a training's time and cost, from its receipt; see components/scaling/."""

from collections.abc import Sequence

from components.contracts import TrainingReceipt
from components.cost.known_trainings import size_of
from components.cost.prices import LAPTOP
from components.cost.train_speed import TrainSize, speed_of
from components.words import as_duration, as_money

_FLOAT_BYTES = 4
_NUMBERS = (1, 2, 4, 8)


def outlook_rows(
    receipt: TrainingReceipt, size: TrainSize | None = None, profile: str = "", price: tuple[float, str] | None = None
) -> list[tuple[str, str, str]]:
    """Returns workers, time and cost of each number of workers, as text; empty if the receipt does not tell.

    Time and cost are the probable values, with what they may be at best and at worst.

    Args:
      receipt: Of a training.
      size: Of the training to look at; None for the same.
      profile: That its workers run on; empty for the same.
      price: Of a node, per hour, and its currency; None for the same.
    """
    import numpy as np

    from components.scaling.outlook import MeasuredTraining, outlook

    batch = receipt.config.get("global_batch_size")
    cost = receipt.cost
    if cost is None or not isinstance(batch, int) or not receipt.num_train_tiles or not receipt.history:
        return []
    trained = size_of(receipt.num_train_tiles, receipt.num_val_tiles, batch, len(receipt.history))
    speed = speed_of(receipt, trained)
    if speed is None:
        return []
    size = size or trained
    steps = np.array([batch / row.tiles_per_second for row in receipt.history if row.tiles_per_second > 0])
    num_steps = size.num_train // batch * size.epochs
    measured = MeasuredTraining(
        num_workers=receipt.num_workers,
        step_seconds=steps,
        num_steps=num_steps,
        fixed_seconds=speed.fixed_seconds,
        shared_seconds=max(
            0.0, speed.seconds(size, size.epochs) - speed.fixed_seconds - num_steps * float(steps.mean())
        ),
        gradient_bytes=float(_FLOAT_BYTES * receipt.num_parameters),
        reduce_seconds=receipt.reduce_seconds or None,
        reduce_latency_seconds=receipt.reduce_latency_seconds,
        reduces_per_step=max(1, receipt.reduces_per_step),
        share_cores=(profile or receipt.profile) == LAPTOP,
    )
    per_second = cost.cost / receipt.pods.paid if receipt.pods.paid else 0.0
    currency = cost.currency
    if price is not None:
        per_second, currency = price[0] / 3600, price[1]
    rows = []
    for each in outlook(measured, sorted({*_NUMBERS, receipt.num_workers})):
        is_measured = " (as it was)" if each.num_workers == receipt.num_workers else ""
        rows.append(
            (
                f"{each.num_workers}{is_measured}",
                _with_bounds([as_duration(seconds) for seconds in each.seconds]),
                _with_bounds([as_money(per_second * seconds, currency) for seconds in each.node_seconds]),
            )
        )
    return rows


def outlook_note(receipt: TrainingReceipt, profile: str = "") -> str:
    """Returns what to know about the numbers, in one or two sentences."""
    if (profile or receipt.profile) == LAPTOP:
        return "Processes of one machine share its cores: more of them add up gradients, and are not faster."
    network = (
        f"The workers took {receipt.reduce_seconds:.3f} s to add up their gradients."
        if receipt.reduce_seconds
        else "Nobody measured the network between workers."
    )
    return f"{network} The global batch stays as it is; a larger one makes more workers worth more."


def _with_bounds(texts: Sequence[str]) -> str:
    low, middle, high = texts
    return middle if low == high else f"{middle} ({_without_unit(low, middle)} to {_without_unit(high, middle)})"


def _without_unit(text: str, shown: str) -> str:
    """Returns an amount without its unit, if the one beside it has the same."""
    amount, _, unit = text.partition(" ")
    return amount if unit == shown.partition(" ")[2] else text
