"""Counts how late the gradients of asynchronous workers are: the updates by others while a gradient was computed.

A counter on the parameter server is read before a worker reads the first weight, and raised once its gradient is there,
just before it is applied. The updates in between are the delay, 0 if the weights were still those that it had read.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from components.train.worker.assembly import Trained

LONGEST = 63  # the last count is of delays of so many updates or more


@dataclasses.dataclass
class _Clock:
    """What time is counted in.

    Attributes:
      applied: Updates so far, int64 [], on the parameter server.
      counts: Updates by delay, int64 [LONGEST + 1], there too.
      read_at: Of the step that is being traced: `applied` before the first weight was read.
    """

    applied: Any
    counts: Any
    read_at: Any = None


class WatchedUpdates:
    """Watches what is trained.

    Attributes:
      trained: The same, but each step also counts its delay. A checkpoint cannot be made of it.
    """

    def __init__(self, trained: Trained) -> None:
        """Creates the counters. Call this in the strategy's scope."""
        self._clock = _Clock(
            tf.Variable(0, dtype=tf.int64, trainable=False),
            tf.Variable(tf.zeros([LONGEST + 1], tf.int64), trainable=False),
        )
        optimizer: Any = _WatchedOptimizer(trained.optimizer, self._clock)
        self.trained = dataclasses.replace(
            trained, model=_WatchedModel(trained.model, self._clock), optimizer=optimizer
        )

    def start(self) -> None:
        """Forgets what was counted. Call this while no step is being taken."""
        self._clock.applied.assign(0)
        self._clock.counts.assign(tf.zeros([LONGEST + 1], tf.int64))

    def counts(self) -> NDArray[Any]:
        """Returns the updates since then by delay, int64 [LONGEST + 1]."""
        return self._clock.counts.numpy()  # type: ignore[no-any-return]


class _WatchedModel:
    """Does what make_replica_step asks of a model."""

    def __init__(self, model: Any, clock: _Clock) -> None:
        self._model, self._clock = model, clock
        self.trainable_variables = model.trainable_variables

    def __call__(self, inputs: Any, training: bool) -> Any:
        self._clock.read_at = tf.identity(self._clock.applied)
        with tf.control_dependencies([self._clock.read_at]):
            return self._model(inputs, training=training)


class _WatchedOptimizer:
    """Does what make_replica_step asks of an Optimizer."""

    def __init__(self, optimizer: Any, clock: _Clock) -> None:
        self._optimizer, self._clock = optimizer, clock

    def scaled(self, loss: Any) -> Any:
        return self._optimizer.scaled(loss)

    def apply(
        self, gradients: Sequence[Any], variables: Sequence[Any], rate: Any, factors: Sequence[float] | None = None
    ) -> None:
        with tf.control_dependencies([gradient for gradient in gradients if gradient is not None]):
            number = tf.identity(self._clock.applied.assign_add(1))  # of this update, from 1
        delay = tf.minimum(number - 1 - self._clock.read_at, LONGEST)
        self._clock.counts.assign_add(tf.one_hot(delay, LONGEST + 1, dtype=tf.int64))
        with tf.control_dependencies([delay]):
            self._optimizer.apply(gradients, variables, rate, factors)
