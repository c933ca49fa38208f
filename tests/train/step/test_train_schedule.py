import math

import pytest

from components.train.settings.config import TrainConfig
from components.train.step.schedule import learning_rate, peak_rate


def rates(num_steps: int = 10, **tuning: object) -> list[float]:
    config = TrainConfig(**{"learning_rate": 1.0, "warmup_fraction": 0.0, **tuning})
    return [learning_rate(config, step, num_steps) for step in range(num_steps + 1)]


@pytest.mark.parametrize(
    ("tuning", "expected"),
    [
        ({"schedule": "constant"}, [1.0] * 11),
        ({"schedule": "cosine"}, [0.5 + 0.5 * math.cos(math.pi * step / 10) for step in range(11)]),
        (
            {"schedule": "cosine", "final_rate_fraction": 0.5},
            [0.75 + 0.25 * math.cos(math.pi * s / 10) for s in range(11)],
        ),
        ({"schedule": "polynomial"}, [1 - step / 10 for step in range(11)]),
        ({"schedule": "polynomial", "schedule_power": 2.0}, [(1 - step / 10) ** 2 for step in range(11)]),
        ({"schedule": "step", "step_decay_fraction": 0.3}, [1.0] * 3 + [0.1] * 3 + [0.01] * 3 + [0.001] * 2),
        # 0.3 / 0.1 is a hair below 3.
        ({"schedule": "step", "step_decay_fraction": 0.1, "step_decay_factor": 0.5}, [0.5**step for step in range(11)]),
        # Warm-up reaches the peak with its last step; the first step is not lost on a rate of zero.
        ({"schedule": "constant", "warmup_fraction": 0.4}, [0.25, 0.5, 0.75, 1.0] + [1.0] * 7),
        (
            {"schedule": "polynomial", "warmup_fraction": 0.5},
            [0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0],
        ),
    ],
)
def test_rates_by_step(tuning: dict, expected: list[float]) -> None:
    assert rates(**tuning) == pytest.approx(expected, abs=1e-12)


def test_one_cycle_rises_from_a_25th_and_falls_to_almost_nothing() -> None:
    cycle = rates(100, schedule="one_cycle", warmup_fraction=0.3)
    assert cycle[0] == pytest.approx(1 / 25, rel=0.1)
    assert cycle[29] == max(cycle) == 1.0
    assert cycle[100] == pytest.approx(1e-4)
    assert cycle[:30] == sorted(cycle[:30])
    assert cycle[30:] == sorted(cycle[30:], reverse=True)


@pytest.mark.parametrize(("batch", "reference", "expected"), [(64, 0, 0.1), (64, 32, 0.2), (8, 32, 0.025)])
def test_the_rate_is_scaled_with_the_global_batch(batch: int, reference: int, expected: float) -> None:
    config = TrainConfig(learning_rate=0.1, global_batch_size=batch, reference_batch_size=reference)
    assert peak_rate(config) == pytest.approx(expected)
