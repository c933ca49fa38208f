"""The price of training on the whole dataset: arithmetic that can be done by hand, and speeds of real trainings."""

import pytest
from study_tables import CLAIMS
from tiny_bench import TINY, tiny_bench

from components.contracts.study import REFUTED, Finding, Matrix
from components.cost.prices import read_prices
from components.study.experiments.cost.all_experiments import EXPERIMENTS
from components.study.experiments.cost.original_hours import original_trainings
from components.study.experiments.cost.priced_training import PricedTraining
from components.study.experiments.cost.timed_networks import networks_of
from components.study.running.presets import PRESETS
from components.study.verdicts.judging import judge_claim

PRICES = """\
currency: USD
date: 2026-11-29
source: our own racks
profiles:
  cpu: {per_hour: 0.5}
"""
# Hours of 50 epochs on 1,530 tiles, and what an hour costs: n1-standard-4 0.19, with a P100 1.46 or a V100 2.48 more.
ITS_HOURS = {
    "original on a CPU from a folder": (20, 0.13402),
    "original on a CPU from TFRecord": (12, 0.13402),
    "original on a P100 from a folder": (57.29 / 60, 0.19 + 1.46),
    "original on a V100 from TFRecord": (26.36 / 60, 0.19 + 2.48),
}


@pytest.fixture
def prices(tmp_path):
    path = tmp_path / "prices.yaml"
    path.write_text(PRICES)
    return path


@pytest.mark.parametrize(("speed", "hours"), [(1.0, 1045.53), (50.0, 20.91), (2000.0, 0.5228)])
def test_a_price_is_that_of_the_hours_that_50_epochs_of_75_278_tiles_take(prices, speed, hours):
    priced = PricedTraining("a", speed, "cpu", read_prices(str(prices)))

    assert priced.seconds / 3600 == pytest.approx(hours, rel=1e-3)
    assert priced.cost == pytest.approx(hours * 0.5, rel=1e-3)


def test_the_original_s_hours_grow_with_the_tiles():
    found = {each.name: each.cost for each in original_trainings()}

    assert found == {name: pytest.approx(hours * 75_278 / 1530 * price) for name, (hours, price) in ITS_HOURS.items()}


def test_list_prices_are_not_those_of_a_user_s_file(prices, monkeypatch):
    before = [each.cost for each in original_trainings()]
    monkeypatch.setenv("AGRIVISION_PRICES", str(prices))

    assert [each.cost for each in original_trainings()] == before


def test_every_preset_has_networks_whose_names_are_their_own():
    for preset in PRESETS:
        names = [each.name for each in networks_of(preset)]
        assert names
        assert len(names) == len(set(names))


@pytest.mark.long
def test_networks_are_trained_here_and_priced_beside_the_original(tmp_path):
    (experiment,) = EXPERIMENTS
    lines = []
    results = experiment.run(tiny_bench(tmp_path, lines))

    (finding,) = (each for each in results if isinstance(each, Finding))
    names = [each.name for each in networks_of(TINY.name)]
    assert list(finding.values) == [*names, *ITS_HOURS]
    assert all(value > 0 for value in finding.values.values())
    # One of its values alone reaches 100 USD, and the claim is about all.
    verdict = judge_claim(CLAIMS.by_id["infrastructure_costly"], CLAIMS.alpha, finding, {})
    assert verdict.verdict == REFUTED
    assert "for 5 of 6" in verdict.reason.english
    measured, original = (each for each in results if isinstance(each, Matrix))
    assert (measured.is_measured, original.is_measured) == (True, False)
    assert [row[3] for row in (*measured.values, *original.values)] == list(finding.values.values())
