"""A whole sweep on this machine, by its command: real steps through kfp.local, real workers, trials that fail."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.contracts import TrainingReceipt
from components.synth.dataset import write_dataset

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
# With a rate like that, the loss is no number after the first step.
SEARCH = ("--search", "learning_rate=0.001,1e30", "--search", "loss=cross_entropy,focal")


def command(place, *options):
    settings = {
        "source_uri": place / "tiles",
        "data_root": place / "data",
        "models_uri": place / "models",
        "runs_dir": place / "runs",
        "train_epochs": 2,
        "train_image_size_px": 32,
        "train_global_batch_size": 16,
        "train_num_workers": 1,
        "gate_min_macro_f1": 0,
        "sweep_num_seeds": 1,
        "sweep_reduction": 2,
    }
    given = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    return [sys.executable, "-c", "from pipeline.cli import main; main()", "sweep", *SEARCH, *given, *options]


def sweep(place, *options):
    done = subprocess.run(command(place, *options), cwd=ROOT, text=True, capture_output=True, check=False, timeout=900)
    return done, json.loads((place / "runs/latest/summary.json").read_text()) if done.returncode == 0 else {}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    place = tmp_path_factory.mktemp("sweep")
    write_dataset(place / "tiles", layout="paper-2020", num_tiles=90, seed=1, tile_size_px=64, num_processes=1)
    done, summary = sweep(place)
    assert done.returncode == 0, done.stdout + done.stderr
    return place, done, summary


def test_failing_trials_are_listed_and_the_best_of_the_others_is_pushed(first):
    place, done, summary = first
    trials = {each["trial"]: each for each in summary["sweep"]["trials"]}

    assert [each["values"] for _, each in sorted(trials.items())] == [
        {"learning_rate": rate, "loss": loss} for rate in (0.001, 1e30) for loss in ("cross_entropy", "focal")
    ]
    assert [each["rung"] for _, each in sorted(trials.items())] == [2, 2, 0, 0]
    assert [each["epochs"] for _, each in sorted(trials.items())] == [2, 2, 0, 0]
    for number in (3, 4):
        assert "loss" in trials[number]["failure"]
        assert f"trial {number} failed: " in done.stdout
    best = summary["sweep"]["trials"][0]
    assert best["val_macro_f1"] == max(each["val_macro_f1"] for each in (trials[1], trials[2]))
    (training_id,) = best["training_ids"]
    receipt_path = place / "data/training" / training_id / "receipt.json"
    receipt = TrainingReceipt.from_json(receipt_path.read_bytes(), str(receipt_path))
    assert receipt.config["loss"] == best["values"]["loss"]
    assert summary["decision"] == "push"
    card = json.loads((Path(summary["model_uri"]) / "card.json").read_text())
    assert card["training_id"] == training_id


def test_the_summary_has_every_report_and_step(first):
    place, done, summary = first

    assert set(summary["reports"]) == {"data", "training", "evaluation", "decision", "sweep"}
    assert "partly the luckiest one" in (place / "runs/latest/sweep.html").read_text()
    assert {"propose", "trial", "keep", "choose", "train"} <= set(summary["step_seconds"])
    assert summary["step_seconds"]["train"] < summary["step_seconds"]["trial"]
    assert "Trials, the best first, compared on val by the mean of 1 seed" in done.stdout
    assert "4 trials of learning_rate, loss, with 1 seed each; trials x epochs: 4 x 1 → 2 x 2\n" in done.stdout


def test_a_second_sweep_trains_nothing_again_and_ends_the_same(first):
    place, _, summary = first
    receipts = {path: path.stat().st_mtime_ns for path in place.glob("data/training/*/receipt.json")}
    done, again = sweep(place)

    assert done.returncode == 0, done.stdout + done.stderr
    assert again["sweep"] == summary["sweep"]
    assert again["outcome"] == "same_model"
    assert {path: path.stat().st_mtime_ns for path in place.glob("data/training/*/receipt.json")} == receipts
    assert len(receipts) == 4


def test_a_sweep_that_was_killed_goes_on_with_the_trial_that_it_was_at(first, tmp_path):
    place, _, summary = first
    shutil.copytree(place / "tiles", tmp_path / "tiles")
    with subprocess.Popen(command(tmp_path), cwd=ROOT, text=True, stdout=subprocess.PIPE) as killed:
        for line in killed.stdout:
            if "trial 2   training " in line:
                break
        killed.kill()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("data/training/*/receipt.json")}
    assert len(kept) == 1

    done, again = sweep(tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert without_seconds(again) == without_seconds(summary)


def without_seconds(summary):
    return [{**each, "seconds": 0, "failure": bool(each["failure"])} for each in summary["sweep"]["trials"]]


def test_a_setting_that_does_not_fit_the_dataset_ends_the_sweep_before_a_trial_trains(first):
    place, _, _ = first
    done, _ = sweep(place, "--search", "global_batch_size=16,4096")

    assert done.returncode == 2
    assert done.stderr.startswith("agrivision: trial 1 failed: trial 5 (global_batch_size=4096, learning_rate=0.001, ")
    assert "global_batch_size must be at most the number of train tiles" in done.stderr
    assert "epoch 1/" not in done.stdout
