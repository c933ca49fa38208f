"""Settings of early stopping (loop/when_to_end.py)."""

import dataclasses

from components.setting import setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoppingSettings:
    """When to stop waiting for a better epoch; the best one is exported either way."""

    early_stopping_patience: int = setting(
        0,
        "Stop training after this many epochs without a better validation macro F1, or with a dense head a better mean "
        "of it and the mean IoU; 0 turns it off.",
        at_least=0,
    )
    early_stopping_min_delta: float = setting(
        0.0, "Gain in this score that an epoch must exceed to count as better.", at_least=0
    )
