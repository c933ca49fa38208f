"""Successive halving (Jamieson and Talwalkar 2016): ask which trials train next, tell what came of them. All pure.

A trial of a later rung trains anew, with more epochs: the learning rate follows a schedule over all epochs, so the
checkpoint of a shorter training is not the beginning of a longer one.
"""

import dataclasses
import statistics
from collections.abc import Iterable, Sequence

import msgspec

from components.contracts.sweep import Sweep, Trial, TrialResult
from components.errors import EXIT_DATA, AgrivisionError, SettingsError
from components.sweep.seed_interval import seed_interval


class NoTrialLeft(AgrivisionError):
    """Every trial failed, so that there is no best one; has the exit code that all of them had, else that of bad data.

    The reasons are those of the trials.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclasses.dataclass(frozen=True)
class TrialStanding:
    """How a trial stands.

    Attributes:
      rung: The last that it finished, from 1; 0 for none.
      result: Of that rung; None for none.
      mean: Of the scores in that rung, in 0..1; 0 for none.
      interval: See seed_interval.
      seconds: That its trainings took, over all rungs.
      failure: Why it failed in the rung after that; empty if it did not.
    """

    trial: Trial
    rung: int
    result: TrialResult | None
    mean: float
    interval: tuple[float, float] | None
    seconds: float
    failure: str


def epochs_of_rungs(epochs: int, num_rungs: int, reduction: int) -> tuple[int, ...]:
    """Returns the epochs of each rung, the last being `epochs`.

    Raises:
      SettingsError: if they are too few to be divided.
    """
    rungs = tuple(max(1, round(epochs / reduction**left)) for left in reversed(range(num_rungs)))
    if len(set(rungs)) < num_rungs:
        raise SettingsError(
            f"train_epochs must be larger to be divided among sweep_num_rungs={num_rungs} with "
            f"sweep_reduction={reduction}, got {epochs}, which makes rungs of {', '.join(map(str, rungs))} epochs; or "
            "use fewer rungs"
        )
    return rungs


def num_kept(num_trials: int, reduction: int) -> int:
    """Returns how many trials of a rung go on to the next."""
    return -(-num_trials // reduction)


def ask_rung(sweep: Sweep, rung: int) -> tuple[tuple[int, int], ...]:
    """Returns which trials are to train, as (number of the trial, rung).

    After the last rung it is the best trial again, in the rung that it finished: the pipeline has a loop for each rung
    that a sweep may have, and Kubeflow none that may be empty. Its trainings are found and not repeated.

    Args:
      rung: From 1. The results of the rung before must have been told.

    Raises:
      NoTrialLeft: if all failed.
    """
    if rung == 1:
        return tuple((each.number, 1) for each in sweep.trials)
    if rung <= len(sweep.rung_epochs):
        before = [each for each in sweep.results if each.rung == rung - 1]
        finished = [each for each in standings(sweep) if each.rung == rung - 1 and not each.failure]
        if finished:
            return tuple((each.trial.number, rung) for each in finished[: num_kept(len(before), sweep.reduction)])
    first = best(sweep)
    return ((first.trial.number, first.rung),)


def tell_results(sweep: Sweep, results: Iterable[TrialResult]) -> Sweep:
    """Returns the sweep with more results; one that was told before is replaced."""
    told = {(each.rung, each.trial): each for each in (*sweep.results, *results)}
    return msgspec.structs.replace(sweep, results=tuple(told[place] for place in sorted(told)))


def standings(sweep: Sweep) -> list[TrialStanding]:
    """Returns how all trials stand, the best first.

    A later rung is better than an earlier one, whatever the scores, which more epochs raise. Then the higher mean is
    better, and of equal ones the trial with the lower number.
    """
    stand = [_standing(trial, [each for each in sweep.results if each.trial == trial.number]) for trial in sweep.trials]
    return sorted(stand, key=lambda each: (-each.rung, -each.mean, each.trial.number))


def best(sweep: Sweep) -> TrialStanding:
    """Returns the best trial.

    Raises:
      NoTrialLeft: if all failed.
    """
    first = standings(sweep)[0]
    if first.result is None:
        codes = {each.exit_code for each in sweep.results}
        reason = next((f"trial {each.trial}: {each.failure}" for each in sweep.results), "none was trained")
        code = codes.pop() if len(codes) == 1 else EXIT_DATA
        raise NoTrialLeft(f"all {len(sweep.trials)} trials of the sweep failed; {reason}", code)
    return first


def _standing(trial: Trial, results: Sequence[TrialResult]) -> TrialStanding:
    finished = [each for each in results if not each.failure]
    last = max(finished, key=lambda each: each.rung, default=None)
    scores = [each.val_macro_f1 for each in last.scores] if last else []
    return TrialStanding(
        trial=trial,
        rung=last.rung if last else 0,
        result=last,
        mean=statistics.fmean(scores) if scores else 0.0,
        interval=seed_interval(scores) if scores else None,
        seconds=sum(score.seconds for each in results for score in each.scores),
        failure=next((each.failure for each in results if each.failure), ""),
    )
