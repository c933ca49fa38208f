"""What the steps of a sweep do, between reading and writing their documents."""

import dataclasses
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.contracts import Manifest, Sweep, TrainingReceipt, TrialResult
from components.progress import StepLog
from components.sweep.entries import entries, read_entry
from components.sweep.halving import best, standings, tell_results
from components.sweep.in_short import write_sweep_in_short
from components.sweep.report import write_sweep_report
from components.sweep.trial import check_trials, config_of, run_trial
from components.sweep.wording import bracketed, values_text
from components.train.launch.pods.task_config import TaskConfig
from components.train.settings.config import TrainConfig
from components.train.settings.node_pools import PoolSettings
from components.train.settings.train_settings import TrainSettings
from components.train.training import run_training


def run_entry(
    entry: str,
    sweep_path: str,
    settings: TrainSettings,
    data_root: str,
    manifest_path: str,
    log: StepLog,
    pool: PoolSettings,
    task: TaskConfig | None,
) -> tuple[TrialResult, dict[str, float]]:
    """Trains one entry of a rung; returns its result, and its metrics by name.

    Args:
      settings: Of training, but for the tuning, which is the trial's.

    Others: see run_training.
    """
    number, rung = read_entry(entry)
    sweep = Sweep.read(sweep_path)
    check_trials(sweep, Manifest.read(manifest_path), settings.num_workers)

    def train(config: TrainConfig) -> TrainingReceipt:
        return run_training(dataclasses.replace(settings, config=config), data_root, manifest_path, log, pool, task)

    result = run_trial(sweep, number, rung, train, log)
    scores = [each.val_macro_f1 for each in result.scores]
    metrics = {"trial": float(number), "rung": float(rung), "failed": float(bool(result.failure))}
    return result, metrics | ({"mean_val_macro_f1": statistics.fmean(scores)} if scores else {})


def keep_best(rung: int, sweep_path: str, results: Sequence[str], kept_path: str, log: StepLog) -> list[str]:
    """Writes the sweep with the results of a rung; returns the entries of the next.

    Raises:
      NoTrialLeft: if all trials failed.
    """
    sweep = _told(sweep_path, results)
    sweep.write(kept_path)
    following = entries(sweep, rung + 1)
    if rung < len(sweep.rung_epochs):
        log.summary = f"kept {len(following)} of {len(results)} trials for {sweep.rung_epochs[rung]} epochs"
    else:
        log.summary = "all rungs are done"
    return following


def choose_best(
    sweep_path: str, results: Sequence[str], result_path: str, report_path: str, in_short_path: str, log: StepLog
) -> tuple[dict[str, Any], dict[str, float]]:
    """Writes what came of a sweep; returns the tuning of its best training, and its metrics by name.

    Raises:
      NoTrialLeft: if all trials failed.
    """
    sweep = _told(sweep_path, results)
    first = best(sweep)
    sweep.write(result_path)
    write_sweep_report(sweep, report_path)
    write_sweep_in_short(sweep, in_short_path)
    # Of equal seeds the first. The mean chose the values; among their models, val decides once more.
    seed = max(first.result.scores, key=lambda each: (each.val_macro_f1, -each.seed)).seed if first.result else 0
    log.summary = (
        f"trial {first.trial.number} of {len(sweep.trials)} is the best: {values_text(first.trial.values)}; mean val "
        f"macro F1 {first.mean:.3f} {bracketed(first.interval)} over {len(sweep.seeds)} seeds; seed {seed} goes on"
    )
    metrics = {
        "best_trial": float(first.trial.number),
        "best_mean_val_macro_f1": first.mean,
        "num_failed_trials": float(sum(bool(each.failure) for each in standings(sweep))),
        "num_trials": float(len(sweep.trials)),
        "training_seconds": sum(each.seconds for each in standings(sweep)),
    }
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    return config_of(sweep, first.trial, first.rung, seed).to_builtins(), finite


def _told(sweep_path: str, results: Sequence[str | Path]) -> Sweep:
    return tell_results(Sweep.read(sweep_path), [TrialResult.read(path) for path in results])
