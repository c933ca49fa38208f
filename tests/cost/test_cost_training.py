"""A training with real workers: what it took, what that cost, and a budget that ends it."""

import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from train_fixtures import (
    ENDLESS,
    TUNING,
    another_root,
    answers,
    checkpointed,
    in_background,
    shared_folder,
    train,
    wait_for,
    workers_of,
    write_data,
)

from components.contracts import TrainingReceipt
from components.train import more_workers, report

PER_SECOND = 0.01
PRICES = f"""
currency: EUR
date: 2026-11-29
source: a test
profiles:
  laptop: {{per_hour: {3600 * PER_SECOND}, watts: 100}}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_folder(tmp_path_factory, "data", write_data)


@pytest.fixture(autouse=True)
def prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(PRICES)
    monkeypatch.setenv("AGRIVISION_PRICES", str(path))


@pytest.mark.long
def test_a_budget_that_runs_out_ends_training_within_it_with_a_usable_model(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root, budget = another_root(data, tmp_path), 0.40
    receipt = train(root, 1, ENDLESS, max_cost=budget)
    assert receipt.ended_by == "max_cost"
    assert receipt.cost is not None
    step = receipt.bottleneck.step_seconds * PER_SECOND
    # 1 % where nothing else runs; beside other tests, what comes after the last step may take longer than foreseen.
    assert receipt.cost.cost <= 1.05 * budget + step
    assert receipt.cost.cost > 0.6 * budget  # what is kept back for the end is a guess that errs high
    output = capfd.readouterr().out
    assert len(re.findall(r"train_max_cost is up at epoch (\d+), step [1-4] of 5", output)) <= 1
    assert re.search(r"train \| the training cost 0\.\d\d EUR and some .* Wh \(estimate\): \d\d s of laptop", output)
    assert "more money may help" in report.verdict(receipt)
    assert np.isfinite(answers(root, receipt)).all()


@pytest.mark.long
def test_a_receipt_says_what_was_lost_in_an_attempt_that_failed(data: Path, tmp_path: Path) -> None:
    root = another_root(data, tmp_path)
    thread, results = in_background(lambda: train(root, 1, TUNING, max_restarts=1))
    wait_for(lambda: checkpointed(root))
    os.kill(workers_of(os.getpid())[0], signal.SIGKILL)
    thread.join()
    (receipt,) = results
    assert isinstance(receipt, TrainingReceipt)
    assert receipt.profile == "laptop"
    assert receipt.pods.lost > 1.0
    assert receipt.pods.running > 1.0
    assert receipt.pods.paid == pytest.approx(receipt.seconds, abs=3.0)
    assert receipt.cost is not None
    assert receipt.cost.cost == pytest.approx(receipt.pods.paid * PER_SECOND)
    assert receipt.cost.kwh == pytest.approx(receipt.pods.paid * 100 / 3.6e6)
    shown = dict(report._facts(receipt, "tile"))
    assert shown["cost"].endswith("EUR for 1,000 tiles")
    assert shown["charged as"] == "laptop, at prices of 2026-11-29 (a test)"
    report.write_report(receipt, str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    assert "s in attempts that failed" in page
    assert "More or fewer workers" not in page  # of a training that was restarted, nobody knows how long it takes


@pytest.mark.long
def test_a_report_says_what_other_numbers_of_workers_would_make_of_it(data: Path, tmp_path: Path) -> None:
    root = another_root(data, tmp_path)
    receipt = train(root, 2, {**TUNING, "early_stopping_patience": 0})
    assert receipt.reduce_seconds > 0
    assert receipt.reduce_latency_seconds > 0
    assert receipt.reduces_per_step == 10  # two of each of four layers of batch normalisation, and two of all
    rows = more_workers.outlook_rows(receipt)
    assert [workers for workers, _, _ in rows] == ["1", "2 (as it was)", "4", "8"]
    assert all(re.fullmatch(r"\d+ s( \(\d+ to \d+\))?", time) for _, time, _ in rows)
    assert all("EUR" in cost for _, _, cost in rows)
    report.write_report(receipt, str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    assert "More or fewer workers" in page
    assert "Processes of one machine share its cores" in page
