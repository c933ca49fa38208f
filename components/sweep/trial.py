"""Trains one trial of a sweep, once for each seed, and notes a failure instead of ending the sweep."""

from collections.abc import Callable, Iterator

from components.contracts import Manifest, SeedScore, Sweep, TrainingReceipt, Trial, TrialResult
from components.errors import AgrivisionError, DataError, SettingsError
from components.progress import StepLog
from components.sweep.wording import score_text, values_text
from components.train.settings.config import TrainConfig
from components.train.settings.preflight import check_training, resolve_image_size
from components.train.settings.worker_spec import WorkersFailed
from components.words import number_of

# A trial of its own may end with these: a loss that is no number, workers without memory. All else would end every
# trial: wrong settings, storage that does not answer, a full disk. The run ends with it, and a later one goes on.
_OF_THE_TRIAL = (DataError, WorkersFailed)


def config_of(sweep: Sweep, trial: Trial, rung: int, seed: int) -> TrainConfig:
    """Returns the tuning of one training of a trial.

    Args:
      rung: From 1.

    Raises:
      SettingsError: if the values of the trial cannot be combined; names them.
    """
    own = {"epochs": sweep.rung_epochs[rung - 1], "seed": seed}
    try:
        return TrainConfig.from_object({**sweep.train_config, **trial.values, **own})
    except SettingsError as error:
        raise SettingsError(_of_trial(trial, error)) from error


def check_trials(sweep: Sweep, manifest: Manifest, num_workers: int) -> None:
    """Refuses a sweep with a trial that cannot work with this dataset, before any of them trains.

    Raises:
      SettingsError: names the trial and its values.
      DataError: if the dataset cannot be trained on.
    """
    for trial in sweep.trials:
        config = config_of(sweep, trial, 1, sweep.seeds[0])
        try:
            check_training(resolve_image_size(config, manifest), manifest, num_workers)
        except SettingsError as error:
            raise SettingsError(_of_trial(trial, error)) from error


def run_trial(
    sweep: Sweep, number: int, rung: int, train: Callable[[TrainConfig], TrainingReceipt], log: StepLog
) -> TrialResult:
    """Trains a trial in one rung with all seeds; returns its scores, or why it failed.

    Args:
      number: Of the trial.
      rung: From 1.
      train: Trains, or returns the receipt of an equal training.
      log: The step's log.

    Raises:
      AgrivisionError: what is not the fault of this trial, as wrong settings and storage that does not answer.
    """
    trial = next(each for each in sweep.trials if each.number == number)
    epochs = number_of(sweep.rung_epochs[rung - 1], "epoch")
    log.line(f"rung {rung}, {epochs}: {values_text(trial.values)}")
    scores: list[SeedScore] = []
    try:
        scores.extend(_scores(sweep, trial, rung, train, log))
    except _OF_THE_TRIAL as error:
        log.summary = f"failed, and the sweep goes on without it: {error}"
        return _failed(trial, rung, error)
    log.summary = f"{score_text([each.val_macro_f1 for each in scores])} after {epochs}"
    return TrialResult(trial=number, rung=rung, scores=tuple(scores))


def _scores(
    sweep: Sweep, trial: Trial, rung: int, train: Callable[[TrainConfig], TrainingReceipt], log: StepLog
) -> Iterator[SeedScore]:
    for seed in sweep.seeds:
        receipt = train(config_of(sweep, trial, rung, seed))
        found = receipt.history[receipt.best_epoch].val_macro_f1
        log.line(f"seed {seed}: val macro F1 {found:.3f} in epoch {receipt.best_epoch + 1}")
        yield SeedScore(
            seed=seed,
            training_id=receipt.training_id,
            best_epoch=receipt.best_epoch,
            val_macro_f1=found,
            seconds=receipt.seconds,
        )


def _failed(trial: Trial, rung: int, error: AgrivisionError) -> TrialResult:
    return TrialResult(trial=trial.number, rung=rung, failure=" ".join(str(error).split()), exit_code=error.exit_code)


def _of_trial(trial: Trial, error: SettingsError) -> str:
    return f"trial {trial.number} ({values_text(trial.values)}): {error}"
