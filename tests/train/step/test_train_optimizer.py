import keras
import numpy as np
import pytest
import tensorflow as tf

from components.train.settings.config import TrainConfig
from components.train.step.optimizer import Optimizer
from components.train.step.weight_average import WeightAverage

RNG = np.random.default_rng(0)
START = [RNG.normal(size=(3, 4)).astype(np.float32), RNG.normal(size=4).astype(np.float32)]  # a kernel and a bias
GRADIENTS = [[RNG.normal(size=weights.shape).astype(np.float32) for weights in START] for _ in range(6)]


def variables() -> list:
    return [keras.Variable(weights, name=name) for weights, name in zip(START, ("kernel", "bias"), strict=True)]


def weights_after(optimizer: Optimizer, trained: list, gradients: list, rate: float = 0.1, **how: object) -> list:
    for step in gradients:
        optimizer.apply([tf.constant(gradient) for gradient in step], trained, tf.constant(rate), **how)
    return [variable.numpy() for variable in trained]


@pytest.mark.parametrize(
    ("tuning", "reference"),
    [
        ({}, lambda: keras.optimizers.AdamW(0.1, weight_decay=1e-4)),
        ({"weight_decay": 0.1}, lambda: keras.optimizers.AdamW(0.1, weight_decay=0.1)),
        (
            {"optimizer": "SGD", "nesterov": False, "weight_decay": 0.0},
            lambda: keras.optimizers.SGD(0.1, momentum=0.9),
        ),
        (
            {"optimizer": "SGD", "momentum": 0.8, "weight_decay": 0.0},
            lambda: keras.optimizers.SGD(0.1, momentum=0.8, nesterov=True),
        ),
    ],
)
def test_it_does_what_keras_does(tuning: dict, reference) -> None:
    mine, theirs = variables(), variables()
    keras_optimizer = reference()
    if keras_optimizer.weight_decay:
        keras_optimizer.exclude_from_weight_decay(var_names=["bias"])
    keras_optimizer.build(theirs)
    for step in GRADIENTS:
        keras_optimizer.apply([tf.constant(gradient) for gradient in step], theirs)
    after = weights_after(Optimizer(TrainConfig(**tuning), mine), mine, GRADIENTS)
    for ours, expected in zip(after, theirs, strict=True):
        np.testing.assert_allclose(ours, expected.numpy(), atol=1e-5)  # their epsilon is in another place


def test_biases_and_norms_do_not_decay() -> None:
    mine = variables()
    optimizer = Optimizer(TrainConfig(optimizer="SGD", weight_decay=0.5), mine)
    kernel, bias = weights_after(optimizer, mine, [[np.zeros_like(weights) for weights in START]])
    np.testing.assert_allclose(kernel, START[0] * (1 - 0.1 * 0.5), rtol=1e-6)
    np.testing.assert_array_equal(bias, START[1])


@pytest.mark.parametrize(("length", "expected"), [(10.0, 0.2), (0.2, 1.0)])
def test_the_gradient_is_clipped_by_its_norm_over_all_weights(length: float, expected: float) -> None:
    mine = variables()
    norm = np.sqrt(sum((gradient**2).sum() for gradient in GRADIENTS[0]))
    gradients = [gradient * (length / norm) for gradient in GRADIENTS[0]]
    tuning = TrainConfig(optimizer="SGD", momentum=0.0, nesterov=False, weight_decay=0.0, clip_norm=2.0)
    after = weights_after(Optimizer(tuning, mine), mine, [gradients], rate=1.0)
    for ours, start, gradient in zip(after, START, gradients, strict=True):
        np.testing.assert_allclose(ours, start - expected * gradient, atol=1e-6)


def test_a_variable_has_its_own_rate_and_one_left_out_stays_as_it_is() -> None:
    tuning = TrainConfig(optimizer="SGD", momentum=0.0, nesterov=False, weight_decay=0.0)
    mine = variables()
    after = weights_after(Optimizer(tuning, mine), mine, GRADIENTS[:1], factors=[0.5, 2.0])
    for ours, start, gradient, factor in zip(after, START, GRADIENTS[0], (0.5, 2.0), strict=True):
        np.testing.assert_allclose(ours, start - 0.1 * factor * gradient, atol=1e-6)
    other = variables()
    weights_after(Optimizer(tuning, other), other[1:], [GRADIENTS[0][1:]])
    np.testing.assert_array_equal(other[0].numpy(), START[0])
    assert not np.array_equal(other[1].numpy(), START[1])


def test_a_variable_that_is_unfrozen_late_starts_like_any_other() -> None:
    early, late = variables(), variables()
    first = weights_after(Optimizer(TrainConfig(weight_decay=0.0), early), early, GRADIENTS[:1])
    optimizer = Optimizer(TrainConfig(weight_decay=0.0), late)
    weights_after(optimizer, late[1:], [step[1:] for step in GRADIENTS[1:]])
    kernel, _ = weights_after(optimizer, late, GRADIENTS[:1])
    np.testing.assert_allclose(kernel, first[0], atol=1e-7)


def test_float16_skips_a_step_that_overflows_and_halves_the_scale() -> None:
    mine = variables()
    optimizer = Optimizer(TrainConfig(precision="float16", optimizer="SGD", weight_decay=0.0), mine)
    scale = optimizer.loss_scale.numpy()
    assert optimizer.scaled(tf.constant(2.0)) == 2 * scale
    overflow = [GRADIENTS[0][0] * np.inf, GRADIENTS[0][1]]
    for ours, start in zip(weights_after(optimizer, mine, [overflow]), START, strict=True):
        np.testing.assert_array_equal(ours, start)
    assert optimizer.loss_scale.numpy() == scale / 2
    assert optimizer.num_updates.numpy().tolist() == [0, 0]
    scaled = [[gradient * (scale / 2) for gradient in step] for step in GRADIENTS]
    after = weights_after(optimizer, mine, scaled)
    plain = variables()
    expected = weights_after(Optimizer(TrainConfig(optimizer="SGD", weight_decay=0.0), plain), plain, GRADIENTS)
    for ours, theirs in zip(after, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_the_loss_scale_grows_after_2000_good_steps() -> None:
    mine = variables()
    optimizer = Optimizer(TrainConfig(precision="float16"), mine)
    scale = optimizer.loss_scale.numpy()
    optimizer.num_finite.assign(1998.0)
    weights_after(optimizer, mine, GRADIENTS[:1])
    assert optimizer.loss_scale.numpy() == scale
    weights_after(optimizer, mine, GRADIENTS[1:2])
    assert (optimizer.loss_scale.numpy(), optimizer.num_finite.numpy()) == (2 * scale, 0.0)


def test_its_state_comes_back_with_a_checkpoint(tmp_path) -> None:
    def whole(number_of_steps: int) -> tuple[list, Optimizer, WeightAverage]:
        mine = variables()
        optimizer, average = Optimizer(TrainConfig(precision="float16"), mine), WeightAverage(0.9, mine)
        for step in GRADIENTS[:number_of_steps]:
            weights_after(optimizer, mine, [step])
            average.update()
        return mine, optimizer, average

    mine, optimizer, average = whole(3)
    path = tf.train.Checkpoint(variables=mine, optimizer=optimizer, average=average).write(str(tmp_path / "state"))
    mine, optimizer, average = whole(0)
    tf.train.Checkpoint(variables=mine, optimizer=optimizer, average=average).read(path).assert_consumed()
    for step in GRADIENTS[3:]:
        weights_after(optimizer, mine, [step])
        average.update()
    expected, _, expected_average = whole(6)
    for ours, theirs in zip([*mine, *average.averages], [*expected, *expected_average.averages], strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_the_average_follows_its_formula_and_gives_the_weights_back() -> None:
    variable = keras.Variable([0.0], name="kernel")
    average, expected = WeightAverage(0.5, [variable]), 0.0
    for step, weight in enumerate([1.0, 2.0, -3.0, 5.0, 8.0, 1.0, 2.0, 2.0, 7.0, 9.0]):
        variable.assign([weight])
        average.update()
        decay = min(0.5, (1 + step) / (10 + step))  # young averages forget faster
        expected = decay * expected + (1 - decay) * weight
    assert average.averages[0].numpy() == pytest.approx([expected])
    with average.in_model():
        assert variable.numpy() == pytest.approx([expected])
    assert variable.numpy().tolist() == [9.0]
    average.copy_to_model()
    assert variable.numpy() == pytest.approx([expected])
