"""AdamW and SGD for workers in lockstep: gradients are summed over all workers, then clipped, then applied.

Keras clips each worker's gradient separately, after which N workers no longer compute what one does. All state is in
variables, so a checkpoint restores it bit for bit.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from components.train.settings.config import TrainConfig

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7  # Adam's, as in Keras
_FIRST_LOSS_SCALE = 2.0**15
_STEPS_TO_GROW = 2000  # the loss scale doubles after this many steps without an overflow


class Optimizer(tf.Module):  # type: ignore[misc]
    """Updates weights in place.

    AdamW (Loshchilov and Hutter 2019): rate * (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + e) + weight_decay * w).
    SGD: u becomes momentum * u + g, then rate * (u + weight_decay * w); Nesterov uses g + momentum * u in place of u.
    Only weights with two or more dimensions decay: a norm's scale or a bias has no reason to be near zero.

    With precision float16, the loss must be multiplied by `loss_scale` before taking gradients. A step with a gradient
    that is not finite only halves the scale and changes nothing else.
    """

    def __init__(self, config: TrainConfig, variables: Sequence[Any]) -> None:
        """Creates the state. Call this in the strategy's scope.

        Args:
          config: The model's tuning.
          variables: All variables that will ever be trained, float32, always in the same order.
        """
        super().__init__(name="optimizer")
        self._config = config
        self._place = {id(variable): place for place, variable in enumerate(variables)}
        num_slots = 2 if config.optimizer == "AdamW" else 1
        self.slots = [[_zeros(variable.shape) for variable in variables] for _ in range(num_slots)]
        # Number of updates of each variable, [V]: the moments of a variable unfrozen late are still young.
        self.num_updates = _zeros([len(variables)])
        self.loss_scale: Any = None
        self.num_finite: Any = None
        if config.precision == "float16":
            self.loss_scale = tf.Variable(_FIRST_LOSS_SCALE, trainable=False, name="loss_scale")
            self.num_finite = tf.Variable(0.0, trainable=False, name="num_finite")

    def scaled(self, loss: Any) -> Any:
        """Returns the scaled loss, whose gradients `apply` expects."""
        return loss if self.loss_scale is None else loss * self.loss_scale

    def apply(
        self, gradients: Sequence[Any], variables: Sequence[Any], rate: Any, factors: Sequence[float] | None = None
    ) -> None:
        """Applies this replica's part of the gradient. Call this on every replica.

        Args:
          gradients: Gradients of `scaled(loss)`, where the losses of all replicas add up to the total loss; None for a
            variable that the loss does not depend on.
          variables: The variables to update, a subset of those passed to the constructor; others stay unchanged.
          rate: Learning rate, float32 [].
          factors: Factor on the learning rate, by variable; None for 1.
        """
        known = [
            (gradient, variable, 1.0 if factors is None else factors[number])
            for number, (gradient, variable) in enumerate(zip(gradients, variables, strict=True))
            if gradient is not None
        ]
        context = tf.distribute.get_replica_context()
        totals = context.all_reduce(tf.distribute.ReduceOp.SUM, [tf.convert_to_tensor(row[0]) for row in known])
        accept = None
        if self.loss_scale is not None:
            totals = [total / self.loss_scale for total in totals]
            accept = tf.math.is_finite(tf.linalg.global_norm(totals))
        if self._config.clip_norm:
            norm = tf.linalg.global_norm(totals)
            shrink = self._config.clip_norm / tf.maximum(norm, self._config.clip_norm)
            totals = [total * shrink for total in totals]
        places = [self._place[id(variable)] for _, variable, _ in known]
        counts = self.num_updates + [float(place in places) for place in range(len(self._place))]  # [V]

        rates = [rate * factor for _, _, factor in known]
        next_scale = None if self.loss_scale is None else self._next_scale(accept)

        # Called once for all replicas of a worker, so every per-replica value must be an argument.
        def update_all(
            strategy: Any, totals: Any, rates: Any, counts: Any, all_counts: Any, accept: Any, next_scale: Any
        ) -> None:
            def update(variable: Any, change: Any, *args: Any) -> None:
                strategy.extended.update(variable, change, args=args, group=False)

            for total, (_, variable, _), place, own_rate, count in zip(
                totals, known, places, rates, counts, strict=True
            ):
                update(
                    variable.value, self._update, total, own_rate, count, accept, *[kind[place] for kind in self.slots]
                )
            update(self.num_updates, _keep_or_assign, all_counts, accept)
            if next_scale is not None:
                update(self.loss_scale, _keep_or_assign, next_scale[0], None)
                update(self.num_finite, _keep_or_assign, next_scale[1], None)

        tf.__internal__.distribute.interim.maybe_merge_call(
            update_all,
            tf.distribute.get_strategy(),
            totals,
            rates,
            [counts[place] for place in places],
            counts,
            accept,
            next_scale,
        )

    def _update(self, variable: Any, gradient: Any, rate: Any, count: Any, accept: Any, *slots: Any) -> None:
        config = self._config
        if config.optimizer == "AdamW":
            mean = _BETA_1 * slots[0] + (1.0 - _BETA_1) * gradient
            square = _BETA_2 * slots[1] + (1.0 - _BETA_2) * tf.square(gradient)
            root = tf.sqrt(square / (1.0 - tf.pow(_BETA_2, count)))
            direction = mean / (1.0 - tf.pow(_BETA_1, count)) / (root + _EPSILON)
            after = [mean, square]
        else:
            velocity = config.momentum * slots[0] + gradient
            direction = gradient + config.momentum * velocity if config.nesterov else velocity
            after = [velocity]
        if config.weight_decay and len(variable.shape) > 1:
            direction += config.weight_decay * variable
        _keep_or_assign(variable, variable - rate * direction, accept)
        for slot, value in zip(slots, after, strict=True):
            _keep_or_assign(slot, value, accept)

    def _next_scale(self, accept: Any) -> tuple[Any, Any]:
        num_finite = tf.where(accept, self.num_finite + 1.0, 0.0)
        grows = num_finite >= _STEPS_TO_GROW
        larger = tf.where(grows, self.loss_scale * 2.0, self.loss_scale)
        smaller = tf.maximum(self.loss_scale / 2.0, 1.0)
        return tf.where(accept, larger, smaller), tf.where(grows, 0.0, num_finite)


def _zeros(shape: Any) -> Any:
    return tf.Variable(tf.zeros(shape), trainable=False)


def _keep_or_assign(variable: Any, value: Any, accept: Any) -> None:
    variable.assign(value if accept is None else tf.where(accept, value, variable))
