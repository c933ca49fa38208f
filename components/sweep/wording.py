"""How values, scores and the result of a sweep are written, in logs, tables and reports."""

import statistics
from collections.abc import Mapping, Sequence

from components.contracts.sweep import Sweep, TrialValue
from components.sweep.halving import TrialStanding
from components.sweep.seed_interval import seed_interval
from components.words import number_of


def values_text(values: Mapping[str, TrialValue]) -> str:
    """Returns the values of a trial in one line."""
    return ", ".join(f"{key}={value_text(value)}" for key, value in values.items())


def value_text(value: TrialValue) -> str:
    """Returns one value, as TRAIN_CONFIG would have it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def score_text(scores: Sequence[float]) -> str:
    """Returns the mean score over the seeds with its interval, or that there is only one seed."""
    text = f"val macro F1 {statistics.fmean(scores):.3f}"
    interval = seed_interval(scores)
    return f"{text} {bracketed(interval)} over {len(scores)} seeds" if interval else f"{text} with 1 seed"


def bracketed(interval: tuple[float, float] | None) -> str:
    """Returns an interval of scores; empty if there is none."""
    return f"[{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""


def sweep_verdict(sweep: Sweep, stand: Sequence[TrialStanding]) -> str:
    """Returns which trial is the best, and whether that is more than luck.

    Args:
      stand: All trials, the best first, which finished a rung.
    """
    first, num_seeds = stand[0], len(sweep.seeds)
    text = (
        f"Trial {first.trial.number} is the best of {len(sweep.trials)}, with a mean val macro F1 of {first.mean:.3f} "
        f"over {number_of(num_seeds, 'seed')} after {number_of(sweep.rung_epochs[first.rung - 1], 'epoch')}: "
        f"{values_text(first.trial.values)}."
    )
    rivals = [each for each in stand[1:] if each.rung == first.rung]
    if not first.interval:
        return f"{text} One seed does not tell a difference from luck; sweep_num_seeds sets how many there are."
    if not rivals:
        return f"{text} No other trial was trained for as long, so nothing shows how clear its lead is."
    if near := [each.trial.number for each in rivals if each.interval and each.interval[1] >= first.interval[0]]:
        others = f"trial{'s' if len(near) > 1 else ''} {', '.join(map(str, near))}"
        return f"{text} Its interval overlaps with that of {others}: other seeds could change the order."
    return text


def caution(sweep: Sweep) -> str:
    """Returns what a reader must know before trusting the best score."""
    return (
        f"The trials were compared on val alone. The best of {len(sweep.trials)} val scores is partly the luckiest "
        "one, so expect less of it on other tiles. What the model scores on test, which no trial has seen, is in the "
        "report of evaluate. The intervals are of the seeds alone (95 %, Student's t): they do not say how the scores "
        "would vary with other tiles."
    )
