"""`agrivision forecast`: a run's time and cost before it starts, here on a few tiles."""

import json
import shutil
from pathlib import Path

import pytest
from command_here import agrivision_here
from made_receipts import a_receipt

from components.contracts import PodSeconds
from components.cost.prices import read_prices
from components.cost.run_cost import run_cost
from components.cost.train_speed import Interval, TrainSize
from components.errors import DataError, SettingsError
from components.synth.dataset import write_dataset
from pipeline.cost.forecast import earlier_trainings, forecast_lines, forecast_run, in_all, workers_lines
from pipeline.cost.machine_speed import MachineSpeed
from pipeline.cost.source_size import side_of_tiles, tiles_by_split
from pipeline.parameters import Parameters
from pipeline.terminal import StderrLog

PRICES = """
currency: EUR
date: 2026-11-29
source: a test
profiles:
  laptop: {per_hour: 3.6, watts: 100}
  cpu: {per_hour: 0.36, watts: 100}
  gke-gpu-l4: {per_hour: 36, watts: 100}
"""


def parameters_of(place: Path, **given: object) -> Parameters:
    places = {"source_uri": str(place / "tiles"), "data_root": str(place / "data"), "models_uri": str(place / "models")}
    chosen = {"train_num_workers": 1, "train_image_size_px": 32, "train_global_batch_size": 8, "train_epochs": 4}
    return Parameters(**{**places, **chosen, **given})


def machine(size: TrainSize) -> MachineSpeed:
    receipt = a_receipt(
        size,
        num_train_tiles=size.num_train,
        num_val_tiles=size.num_val,
        pods=PodSeconds(running=100.0),
        cost=run_cost({"train": ("laptop", 100.0)}, read_prices()),
    )
    return MachineSpeed(2.0, 0.5, 1.0, 0.01, (receipt, size))


@pytest.fixture
def prices(tmp_path: Path) -> str:
    (tmp_path / "prices.yaml").write_text(PRICES)
    return str(tmp_path / "prices.yaml")


TILES = {"train": 400, "val": 100, "test": 100}


def test_a_forecast_has_an_interval_and_a_cost_for_each_step_and_in_all(tmp_path: Path, prices: str) -> None:
    measured = machine(TrainSize(80, 20, 3, 3))
    made = forecast_run(parameters_of(tmp_path), TILES, 0.1, measured, [], read_prices(prices), "laptop", 1)
    expected = 12.0 + 4 * (0.5 + 0.01 * (400 + 0.4 * 100))
    assert made.steps["train"].middle == pytest.approx(expected)
    for step, seconds in made.steps.items():
        assert seconds.low <= seconds.middle <= seconds.high
        assert made.cost[step].middle == pytest.approx(seconds.middle / 1000)
    assert in_all(made.steps).high == pytest.approx(sum(each.high for each in made.steps.values()))
    lines = forecast_lines(made, 600)
    assert [line.split("  ")[0].strip() for line in lines[1:10]] == [*made.steps, "in all"]
    assert "EUR" in lines[-2]
    assert lines[-1] == "training on 1 x laptop, by a short one; if nothing is there already"
    rows = workers_lines(made, read_prices(prices))
    assert rows[2].startswith("1 (as it was)")
    assert "EUR" in rows[2]


def test_workers_on_a_node_pool_are_charged_as_such_by_trainings_there(tmp_path: Path, prices: str) -> None:
    size = TrainSize(80, 20, 3, 3)
    measured = machine(size)
    on_gpu = a_receipt(size, 0.1, profile="gke-gpu-l4", num_train_tiles=80, num_val_tiles=20)
    charged = read_prices(prices)
    made = forecast_run(parameters_of(tmp_path), TILES, 0.1, measured, [(on_gpu, size)], charged, "gke-gpu-l4", 2)
    assert made.num_known == 1
    assert made.steps["train"].middle == pytest.approx(0.1 * (12.0 + 4 * (0.5 + 0.01 * 440)))
    assert made.cost["train"].middle == pytest.approx(made.steps["train"].middle * 2 * 36 / 3600)
    assert made.cost["push"].middle == pytest.approx(made.steps["push"].middle * 0.36 / 3600)


def test_without_a_training_there_a_node_pool_cannot_be_forecast(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"no training on gke-gpu-l4 under '.*' tells how fast .* leave --profile out"
    ):
        earlier_trainings(parameters_of(tmp_path), "gke-gpu-l4", 64)
    assert earlier_trainings(parameters_of(tmp_path), "laptop", 64) == []


def test_a_source_without_whole_batches_is_refused(tmp_path: Path) -> None:
    measured = machine(TrainSize(80, 20, 3, 3))
    with pytest.raises(DataError, match="the source has 0 train and 3 val tiles for whole batches"):
        forecast_run(parameters_of(tmp_path), {"train": 7, "val": 3}, 0.1, measured, [], read_prices(), "laptop", 1)


def test_intervals_add_up_as_if_all_were_off_in_one_direction() -> None:
    assert Interval(1.0, 2.0, 3.0) + Interval(1.0, 1.0, 1.0) == Interval(2.0, 3.0, 4.0)
    assert Interval(1.0, 2.0, 3.0).times(2.0) == Interval(2.0, 4.0, 6.0)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "tiles"
    write_dataset(folder, layout="paper-2020", num_tiles=90, seed=1, tile_size_px=64, num_processes=1)
    return folder


def test_the_tiles_of_a_source_are_counted_as_ingest_finds_them(source: Path, tmp_path: Path) -> None:
    counts, seconds = tiles_by_split(str(source), parameters_of(tmp_path).ingest, StderrLog("forecast"))
    assert sum(counts.values()) == 90
    assert set(counts) >= {"train", "val", "test"}
    assert seconds > 0
    assert side_of_tiles(str(source)) == 64


@pytest.mark.long
def test_the_command_forecasts_this_machine_and_writes_nothing(source: Path, tmp_path: Path, prices: str) -> None:
    options = ["--train-epochs=4", "--train-image-size-px=32", "--train-global-batch-size=8", "--train-num-workers=1"]
    places = [f"--source-uri={source}", f"--data-root={tmp_path / 'data'}", f"--models-uri={tmp_path / 'models'}"]
    result = agrivision_here("forecast", *places, *options, f"--prices={prices}", "--json")
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert said["currency"] == "EUR"
    assert said["num_known_trainings"] == 0
    low, middle, high = said["seconds"]["in all"]
    assert 0 < low < middle < high
    assert said["cost"]["train"][1] == pytest.approx(said["seconds"]["train"][1] / 1000, rel=1e-3)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prices=none.yaml"], r"cannot read the prices in 'none.yaml'"),
        (["--profile=moon"], r"have no profile 'moon'"),
        (["--train-max-cost=-1"], r"train_max_cost must be at least 0"),
    ],
)
def test_a_wrong_option_ends_with_2_and_one_line(tmp_path: Path, options: list[str], message: str) -> None:
    places = [
        f"--source-uri={tmp_path / 'tiles'}",
        f"--data-root={tmp_path / 'data'}",
        f"--models-uri={tmp_path / 'models'}",
    ]
    result = agrivision_here("forecast", *places, *options)
    assert result.returncode == 2
    assert message.replace("\\", "") in result.stderr
    assert "Traceback" not in result.stderr


def test_what_the_source_is_told_of_is_no_part_of_the_answer(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(source, tmp_path / "tiles")
    (tmp_path / "tiles" / "notes.txt").write_text("ignored")
    tiles_by_split(str(tmp_path / "tiles"), parameters_of(tmp_path).ingest, StderrLog("forecast"))
    said = capsys.readouterr()
    assert said.out == ""
    assert "forecast | ignored: 1 x a document" in said.err


def test_prices_without_the_nodes_of_all_steps_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("currency: EUR\ndate: 2026-11-01\nsource: ours\nprofiles: {gke-gpu-l4: {per_hour: 1}}\n")
    done = agrivision_here(
        "forecast", "--source-uri=nowhere", f"--prices={prices}", "--profile=gke-gpu-l4", f"--data-root={tmp_path}"
    )
    assert done.returncode == 2
    assert "have no profile 'cpu', only gke-gpu-l4; add a row for it" in done.stderr
