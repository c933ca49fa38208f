"""Checks that all replicas have the same weights and are at the same step.

TensorFlow does not notice a difference: each replica applies the same updates to its own weights, and they stay apart.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from components.train.peers.distribution import num_local_replicas
from components.train.peers.rendezvous import LostPeer

# Odd numbers without a pattern, the first from the golden ratio, below 2^63.
_PLACE, _VARIABLE = 0x1E3779B97F4A7C15, 0x2545F4914F6CDD1D


def make_agreement_check(strategy: Any, model: Any, num_workers: int) -> Callable[[int], None]:
    """Returns a function of the global step that raises LostPeer if replicas differ; all workers call it together.

    Each replica computes a digest of every bit of the model's variables on its device. Training only waits for one pass
    over the weights and the exchange of two numbers per replica.
    """
    num_local = num_local_replicas(strategy, num_workers)

    def on_replica(step: Any) -> Any:
        return tf.stack([step, _digest(model)])[tf.newaxis]

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64)], autograph=False)  # type: ignore[untyped-decorator]
    def on_all(step: Any) -> Any:
        return strategy.gather(strategy.run(on_replica, args=(step,)), axis=0)  # [replicas, 2]

    def check(global_step: int) -> None:
        if difference := describe_difference(on_all(tf.constant(global_step, tf.int64)).numpy().tolist(), num_local):
            raise LostPeer(difference)

    return check


def describe_difference(rows: Sequence[Sequence[int]], num_local: int) -> str:
    """Returns one line that says which replicas differ from the others; empty if none does.

    Args:
      rows: Step and digest of each replica; replicas of one worker are adjacent.
      num_local: Replicas per worker.
    """
    states = [tuple(row) for row in rows]
    # The majority's state counts as right; in a tie, the chief's.
    usual = max(Counter(states).items(), key=lambda item: (item[1], item[0] == states[0]))[0]
    apart = [number for number, state in enumerate(states) if state != usual]
    if not apart:
        return ""
    one = apart[0]
    where = f"worker {one // num_local}" + (f", replica {one % num_local}," if num_local > 1 else "")
    others = f" (and {len(apart) - 1} more replicas)" if len(apart) > 1 else ""
    what = f"is at step {states[one][0]}, not {usual[0]}" if states[one][0] != usual[0] else "has different weights"
    right = f"worker {states.index(usual) // num_local} has {_name(usual)}"
    return f"{where} {what}: {_name(states[one])}, where {right}{others}; is data_root the same folder for all workers?"


def _name(state: tuple[int, ...]) -> str:
    return f"step {state[0]} with weights {state[1] & 0xFFFFFFFF:08x}"


def _digest(model: Any) -> Any:
    """Returns a digest of all bits of this replica's variables, int64 []; arithmetic wraps around."""
    total = tf.constant(0, tf.int64)
    for number, variable in enumerate(model.variables):
        # tf.identity reads this replica's own copy of the variable.
        value = tf.reshape(tf.identity(tf.convert_to_tensor(variable.value)), [-1])
        bits = tf.cast(tf.bitcast(value, tf.int32) if value.dtype.size == 4 else value, tf.int64)
        # Odd factors keep every changed bit; a different factor at each place reveals swapped values.
        places = tf.range(tf.size(value, tf.int64), dtype=tf.int64) * (2 * _PLACE) + _wrapped(
            (2 * number + 1) * _VARIABLE
        )
        total += tf.reduce_sum(bits * places)
    return total


def _wrapped(number: int) -> int:
    """Wraps the number into the range of int64."""
    return (number + 2**63) % 2**64 - 2**63
