"""Sweeps made by hand, for tests of what becomes of them."""

from collections.abc import Sequence
from typing import Any

from components.contracts import SeedScore, Sweep, Trial, TrialResult
from components.train.settings.config import TrainConfig


def sweep_of(num_trials: int, rung_epochs: Sequence[int] = (2, 6), num_seeds: int = 2, **changes: Any) -> Sweep:
    """Returns a sweep of learning rates, without results."""
    fields: dict[str, Any] = {
        "search": {"learning_rate": {"low": 1e-4, "high": 1.0, "log": True}},
        "seeds": tuple(range(num_seeds)),
        "rung_epochs": tuple(rung_epochs),
        "reduction": 3,
        "train_config": TrainConfig(epochs=rung_epochs[-1], image_size_px=32, global_batch_size=8).to_builtins(),
        "trials": tuple(
            Trial(number=number, values={"learning_rate": number / 1000}) for number in range(1, num_trials + 1)
        ),
    }
    return Sweep(**{**fields, **changes})


def result_of(trial: int, rung: int, *scores: float, failure: str = "", exit_code: int = 42) -> TrialResult:
    """Returns a result with these scores, one for each seed."""
    return TrialResult(
        trial=trial,
        rung=rung,
        scores=tuple(
            SeedScore(seed=seed, training_id=f"t{trial}r{rung}s{seed}", best_epoch=0, val_macro_f1=score, seconds=10.0)
            for seed, score in enumerate(scores)
        ),
        failure=failure,
        exit_code=exit_code if failure else 0,
    )
