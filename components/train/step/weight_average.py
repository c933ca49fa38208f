"""A moving average of the weights, which often generalises better than the weights of any single step."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf


class WeightAverage(tf.Module):  # type: ignore[misc]
    """average = d * average + (1 - d) * weight after each step, with d = min(decay, (1 + t) / (10 + t)) after t steps.

    As in tf.train.ExponentialMovingAverage, a young average forgets faster: otherwise, after a short run, it would
    still consist mostly of the first weights. Statistics of batch normalisation are already averages, and are left out.
    """

    def __init__(self, decay: float, variables: Sequence[Any]) -> None:
        """Starts the average at the current weights. Call this in the strategy's scope.

        Args:
          decay: Largest decay d.
          variables: The model's trainable weights.
        """
        super().__init__(name="weight_average")
        self._decay = decay
        self._variables = list(variables)
        self.averages = [tf.Variable(tf.convert_to_tensor(v.value), trainable=False) for v in variables]
        self.num_steps = tf.Variable(0.0, trainable=False)

    def update(self) -> None:
        """Adds the weights after a step to the average. Call this on every replica."""
        decay = tf.minimum(self._decay, (1.0 + self.num_steps) / (10.0 + self.num_steps))

        def update_all(strategy: Any) -> None:
            for average, variable in zip(self.averages, self._variables, strict=True):
                strategy.extended.update(average, _approach, args=(variable.value, decay), group=False)
            strategy.extended.update(self.num_steps, lambda count: count.assign_add(1.0), group=False)

        tf.__internal__.distribute.interim.maybe_merge_call(update_all, tf.distribute.get_strategy())

    def copy_to_model(self) -> None:
        """Copies the average to the model's weights."""
        for variable, average in zip(self._variables, self.averages, strict=True):
            variable.value.assign(average.numpy())

    @contextlib.contextmanager
    def in_model(self) -> Iterator[None]:
        """Puts the average into the model; on exit, restores the model's own weights bit for bit."""
        own = [variable.value.numpy() for variable in self._variables]
        self.copy_to_model()
        try:
            yield
        finally:
            for variable, weights in zip(self._variables, own, strict=True):
                variable.value.assign(weights)


def _approach(average: Any, weight: Any, decay: Any) -> None:
    average.assign(decay * average + (1.0 - decay) * weight)
