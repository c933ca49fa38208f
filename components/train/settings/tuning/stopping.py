"""When a training ends before its last epoch (loop/when_to_end.py)."""

import dataclasses

from components.setting import setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoppingSettings:
    """When to wait for a better epoch no longer; the best one is exported in any case."""

    early_stopping_patience: int = setting(
        0,
        "Training ends when so many epochs brought no better validation macro F1; 0 turns it off.",
        at_least=0,
    )
    early_stopping_min_delta: float = setting(0.0, "By how much an epoch must be better, in F1.", at_least=0)
