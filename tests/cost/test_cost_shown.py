"""What a run on this machine, and a model's card, say of the cost."""

import io
from pathlib import Path

import msgspec
import pytest
from command_here import agrivision_here
from made_receipts import a_receipt
from rich.console import Console

from components.contracts import PodSeconds, TrainingReceipt
from components.cost.prices import read_prices
from components.cost.run_cost import run_cost
from components.cost.train_speed import TrainSize
from components.push.card_facts import _training
from components.registry.card.written import _cost
from components.train import report
from components.train.charges import cost_line, with_cost
from pipeline.local.summary import Metrics, Summary, print_summary

PRICES = """
currency: EUR
date: 2020-01-31
source: "<b>a test</b>"
profiles:
  laptop: {per_hour: 3.6, watts: 100}
  guess: {per_hour: 3.6, watts: 100, verified: false}
"""
SIZE = TrainSize(80, 20, 3, 3)


@pytest.fixture
def prices(tmp_path: Path) -> str:
    (tmp_path / "prices.yaml").write_text(PRICES)
    return str(tmp_path / "prices.yaml")


def test_a_run_s_summary_has_its_cost_and_is_warned_of_old_prices(prices: str) -> None:
    found = read_prices(prices)
    cost = run_cost({"shard": ("laptop", 10.0), "train": ("laptop", 90.0)}, found, 50)
    summary = Summary(
        tiles=50,
        rejected_tiles=0,
        shards=1,
        manifest_sha256="0" * 64,
        metrics=Metrics(0.5, 0.5, 0.5, {}, {}, {}),
        decision="refuse",
        outcome="not_better",
        gate={},
        reason="no",
        model_version=None,
        model_uri=None,
        reports={},
        step_seconds={"shard": 10.0, "train": 90.0},
        total_seconds=100.0,
        cost=cost,
        cost_of_1000_tiles=cost.cost_of_1000_tiles,
        price_warning=found.warning(),
    )
    screen = io.StringIO()
    print_summary(Console(file=screen, width=200), summary)
    text = screen.getvalue()
    assert "cost               0.10 EUR, some 2.8 Wh (estimate); 2.00 EUR for 1,000 tiles" in text
    assert "days old; look them up again" in text
    assert msgspec.to_builtins(summary)["cost"]["steps"]["train"]["cost"] == pytest.approx(0.09)


def costly(prices: str, profile: str = "laptop") -> TrainingReceipt:
    pods = PodSeconds(waiting=5.0, starting=10.0, running=70.0, lost=20.0)
    receipt = a_receipt(SIZE, num_train_tiles=80, num_val_tiles=20)
    return with_cost(receipt, profile, pods, read_prices(prices), 100)


def test_a_training_says_what_it_cost_and_what_of_that_was_lost(prices: str) -> None:
    assert cost_line(costly(prices)) == (
        "the training cost 0.10 EUR and some 2.8 Wh (estimate): 100 s of laptop, of which 10 s to start and 20 s in "
        "attempts that failed"
    )
    assert "nobody counted" in cost_line(a_receipt(SIZE))
    assert "ended by epochs, 0.10 EUR, model in" in report.summary_line(costly(prices))


def test_a_report_shows_a_price_that_nobody_verified_and_no_markup_of_a_price_file(prices: str, tmp_path: Path) -> None:
    report.write_report(costly(prices, "guess"), str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    assert "nobody has verified that price" in page
    assert "<b>a test</b>" not in page
    report.write_report(a_receipt(SIZE), str(tmp_path / "report.html"))  # of an earlier version
    assert "charged as" not in (tmp_path / "report.html").read_text()


def test_a_receipt_of_an_earlier_version_still_loads() -> None:
    receipt = a_receipt(SIZE)
    fields = ("profile", "pods", "cost", "num_train_tiles", "num_val_tiles", "reduce_seconds")
    fields += ("reduce_latency_seconds", "reduces_per_step")
    text = receipt.to_json()
    assert all(f'"{name}"'.encode() in text for name in fields)
    known = {name: value for name, value in msgspec.to_builtins(receipt).items() if name not in fields}
    old = msgspec.convert(known, TrainingReceipt)
    assert (old.profile, old.pods.paid, old.cost) == ("", 0.0, None)
    assert TrainingReceipt.from_json(text, "here") == receipt


def test_a_card_says_what_its_training_cost_or_that_nobody_knows(prices: str) -> None:
    assert _cost(_training(costly(prices))).startswith("0.10 EUR for 0.03 hours of `laptop`, at prices of 2020-01-31 (")
    assert "which nobody has verified" in _cost(_training(costly(prices, "guess")))
    assert "what one costs an hour is not known here" in _cost(_training(a_receipt(SIZE, profile="")))


def test_a_run_with_prices_that_cannot_be_read_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGRIVISION_PRICES", str(tmp_path / "none.yaml"))
    (tmp_path / "tiles").mkdir()
    places = [f"--source-uri={tmp_path / 'tiles'}", f"--data-root={tmp_path / 'd'}", f"--models-uri={tmp_path / 'm'}"]
    result = agrivision_here("run", *places, f"--runs-dir={tmp_path / 'runs'}")
    assert result.returncode == 2
    assert "cannot read the prices in" in result.stderr
    assert not (tmp_path / "d").exists()
