"""A trial that fails does not end a sweep; what is no trial's fault does, and what cannot work is refused at first."""

import pytest
from sweep_made import result_of, sweep_of
from tile_shards import fake_dataset

from components.contracts import EpochMetrics, TrainingReceipt, Trial
from components.errors import DataError, SettingsError, UnreachableError
from components.progress import StepLog
from components.sweep.entries import entries, read_entry
from components.sweep.halving import tell_results
from components.sweep.steps import choose_best, keep_best
from components.sweep.trial import check_trials, config_of, run_trial
from components.train.settings.worker_spec import WorkersFailed


def receipt(config, score):
    epoch = EpochMetrics(
        epoch=0, train_loss=1, val_loss=1, val_macro_f1=score, learning_rate=1, seconds=1, tiles_per_second=1
    )
    return TrainingReceipt(
        training_id=f"seed{config.seed}", manifest_sha256="0" * 64, model_path="training/x/export", classes=("a",),
        bands=("red",), label_mode="multi_label", backbone="small", image_size_px=32, num_parameters=1, num_workers=1,
        num_restarts=0, config={}, best_epoch=0, history=(epoch,), seconds=2.0,
    )  # fmt: skip


def test_a_trial_trains_with_each_seed_and_the_epochs_of_its_rung():
    asked = []

    def train(config):
        asked.append(config)
        return receipt(config, 0.5 + config.seed / 10)

    log = StepLog("trial 2")
    result = run_trial(sweep_of(2, (2, 6)), 2, 2, train, log)

    assert [(each.seed, each.epochs, each.learning_rate, each.image_size_px) for each in asked] == [
        (0, 6, 0.002, 32), (1, 6, 0.002, 32),
    ]  # fmt: skip
    assert [(each.seed, each.val_macro_f1, each.training_id) for each in result.scores] == [
        (0, 0.5, "seed0"), (1, 0.6, "seed1"),
    ]  # fmt: skip
    assert log.summary == "val macro F1 0.550 [0.000, 1.000] over 2 seeds after 6 epochs"
    assert not result.failure


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [(DataError("the loss is\nnot a number"), 42), (WorkersFailed("worker 0 was killed; no memory?"), 75)],
)
def test_a_failure_is_noted_with_what_was_trained_before(error, exit_code):
    def train(config):
        if config.seed:
            raise error
        return receipt(config, 0.5)

    log = StepLog("trial 1")
    result = run_trial(sweep_of(2), 1, 1, train, log)

    assert (result.failure, result.exit_code) == (" ".join(str(error).split()), exit_code)
    assert log.summary.startswith("failed, and the sweep goes on without it: ")
    assert tell_results(sweep_of(2), [result]).results == (result,)


@pytest.mark.parametrize(
    "error", [SettingsError("weights: no such file"), UnreachableError("gs://b did not answer"), OSError(28, "full")]
)
def test_what_would_end_every_trial_ends_the_sweep(error):
    def train(config):
        raise error

    with pytest.raises(type(error), match=str(error.args[-1])):
        run_trial(sweep_of(2), 1, 1, train, StepLog("trial 1"))


def test_a_trial_that_cannot_work_with_the_dataset_is_refused_before_any_trains(tmp_path):
    manifest = fake_dataset(tmp_path)
    good = sweep_of(2)
    check_trials(good, manifest, 1)
    large = Trial(number=3, values={"global_batch_size": 64})

    with pytest.raises(SettingsError, match=r"trial 3 \(global_batch_size=64\): global_batch_size must be at most the"):
        check_trials(sweep_of(2, trials=(*good.trials, large)), manifest, 1)


def test_values_that_do_not_go_together_are_named():
    trial = Trial(number=4, values={"backbone": "small", "weights": "imagenet"})

    with pytest.raises(SettingsError, match=r"trial 4 \(backbone=small, weights=imagenet\): there are no published"):
        config_of(sweep_of(1), trial, 1, 0)


def test_an_entry_names_trial_and_rung():
    assert entries(sweep_of(2), 1) == ["1 in rung 1", "2 in rung 1"]
    assert read_entry("12 in rung 3") == (12, 3)
    for text in ("", "0 in rung 1", "1 in rung 0", "1 in rung 1\n", "1", "٣ in rung 1", "../1 in rung 1"):
        with pytest.raises(SettingsError, match='the entry of a trial must be such as "3 in rung 1", got'):
            read_entry(text)


def test_the_steps_hand_on_the_best_training(tmp_path):
    sweep = sweep_of(3)
    sweep.write(tmp_path / "sweep")

    def written(*results):
        for number, result in enumerate(results):
            result.write(tmp_path / f"result{number}")
        return [str(tmp_path / f"result{number}") for number in range(len(results))]

    first = written(result_of(1, 1, 0.5, 0.6), result_of(2, 1, failure="no memory"), result_of(3, 1, 0.1, 0.9))
    log = StepLog("keep")
    asked = keep_best(1, str(tmp_path / "sweep"), first, str(tmp_path / "kept"), log)
    assert (asked, log.summary) == (["1 in rung 2"], "kept 1 of 3 trials for 6 epochs")
    second = written(result_of(1, 2, 0.7, 0.7))
    asked = keep_best(2, str(tmp_path / "kept"), second, str(tmp_path / "kept2"), log)
    assert (asked, log.summary) == (["1 in rung 2"], "all rungs are done")

    paths = [str(tmp_path / name) for name in ("result", "report.html", "short.md")]
    config, metrics = choose_best(str(tmp_path / "kept2"), second, *paths, log)

    # Of equal seeds the first.
    assert (config["seed"], config["epochs"], config["learning_rate"]) == (0, 6, 0.001)
    assert metrics == {
        "best_trial": 1.0, "best_mean_val_macro_f1": pytest.approx(0.7), "num_failed_trials": 1.0, "num_trials": 3.0,
        "training_seconds": 60.0,
    }  # fmt: skip
    assert log.summary.startswith("trial 1 of 3 is the best: learning_rate=0.001; mean val macro F1 0.700 ")
    assert "trial 1" in (tmp_path / "short.md").read_text().lower()
