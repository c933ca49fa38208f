"""propose → trial → keep → choose: the trials of a sweep, what came of them so far, and which is the best."""

from typing import Any, TypeAlias

import msgspec

from components.contracts.document import FORMAT_VERSION, Document
from components.contracts.names import PathPart

# Of a key of TRAIN_CONFIG.
TrialValue: TypeAlias = str | int | float | bool


class Trial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One set of values that a sweep tries.

    Attributes:
      number: From 1, in the order of the proposals.
      values: By key of TRAIN_CONFIG, those that the sweep varies.
    """

    number: int
    values: dict[str, TrialValue]


class SeedScore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one training of a trial scored on val.

    Attributes:
      val_macro_f1: Of its best epoch, at threshold 0.5, in 0..1.
      seconds: That it took when it was trained, which may have been in an earlier run.
    """

    seed: int
    training_id: PathPart
    best_epoch: int
    val_macro_f1: float
    seconds: float


class TrialResult(Document, frozen=True, kw_only=True):
    """trial → keep, choose: what came of a trial in one rung.

    Attributes:
      trial: Its number.
      rung: From 1.
      scores: One for each seed, in the order of the seeds; only those before the failure if there is one.
      failure: Why it failed, in one line; empty if it did not.
      exit_code: Of the failure; 0 if there is none.
    """

    trial: int
    rung: int
    scores: tuple[SeedScore, ...] = ()
    failure: str = ""
    exit_code: int = 0


class Sweep(Document, frozen=True, kw_only=True):
    """propose → trial, keep, choose: everything about a sweep; each keep adds results.

    Attributes:
      search: The search space, as it was given.
      seeds: Of the trainings of each trial.
      rung_epochs: Epochs of each rung; the last are those of the run.
      reduction: One in this many trials goes on to the next rung.
      train_config: What the trials have in common: an object as TrainConfig reads it.
      results: By trial and rung; a trial has one result in each rung that it was in.
    """

    format_version: int = FORMAT_VERSION
    search: dict[str, Any]
    seeds: tuple[int, ...]
    rung_epochs: tuple[int, ...]
    reduction: int
    train_config: dict[str, Any]
    trials: tuple[Trial, ...]
    results: tuple[TrialResult, ...] = ()
