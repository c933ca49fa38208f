"""The whole road, as `make run` takes it: real steps through kfp.local, real workers, real bad input."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_here import agrivision_here
from PIL import Image

from components.synth.dataset import write_dataset

ROOT = Path(__file__).parents[2]
# Small enough for a test: the models learn little, and the floor of the gate is set accordingly.
TINY = {"epochs": 2, "image_size_px": 32, "global_batch_size": 16}


def run(place, source, config=TINY, floor=0.0, **settings):
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "run", "--source-uri", str(source)]
    settings = {
        "data_root": place / "data",
        "models_uri": place / "models",
        "runs_dir": place / "runs",
        "train_config": json.dumps(config),
        "gate_min_macro_f1": floor,
    } | settings
    options = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    return subprocess.Popen(
        [*command, *options],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=_heed_ctrl_c,
    )


def _heed_ctrl_c():
    # A shell lets what it puts into the background ignore SIGINT, and children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finish(process, timeout=570):
    output, errors = process.communicate(timeout=timeout)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def summary(place):
    return json.loads((place / "runs/latest/summary.json").read_text())


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source") / "tiles"
    write_dataset(folder, layout="paper-2020", num_tiles=90, seed=1, tile_size_px=64, num_processes=1)
    return folder


@pytest.fixture(scope="module")
def first(tmp_path_factory, tiles):
    place = tmp_path_factory.mktemp("first")
    result = finish(run(place, tiles))
    assert result.returncode == 0, result.stdout + result.stderr
    return place, result, summary(place)


@pytest.mark.slow
def test_a_run_ends_with_a_pushed_model_and_a_summary(first):
    place, result, report = first

    assert report["tiles"] == 90
    assert report["rejected_tiles"] == 0
    assert report["shards"] >= 4  # two of the train split, for two workers
    assert set(report["metrics"]["per_class"]) == set(_classes())
    assert (report["decision"], report["outcome"]) == ("push", "push")
    assert report["reason"] in result.stdout
    low, high = report["metrics"]["intervals"]["macro_f1"]
    assert low <= report["metrics"]["macro_f1"] <= high
    assert set(report["metrics"]["class_intervals"]) == set(_classes())
    assert report["gate"]["difference"] is None  # nothing to compare with
    assert list(report["step_seconds"]) == ["check", "ingest", "shard", "merge", "train", "evaluate", "gate", "push"]
    assert report["total_seconds"] >= max(report["step_seconds"].values())
    assert set(report["reports"]) == {"data", "training", "evaluation", "decision"}
    for path in report["reports"].values():
        assert Path(path).read_text().startswith("<!doctype html>")
    pointer = json.loads((place / "models/production.json").read_text())
    assert pointer["version"] == report["model_version"]


@pytest.mark.slow
def test_all_that_a_run_s_model_comes_from_is_found_and_as_it_was(first):
    place, _, report = first

    result = agrivision_here("lineage", "--models-uri", place / "models", "--data-root", place / "data", "--verify")

    assert result.returncode == 0, result.stderr
    assert "unknown" not in result.stdout
    assert result.stdout.splitlines()[-1].endswith(f"files are as version {report['model_version']} was made from them")


def _classes():
    from components.agrivision import PAPER_2020_CLASSES

    return PAPER_2020_CLASSES


@pytest.mark.slow
def test_the_pushed_model_answers_as_evaluation_did(first, tiles):
    place, *_ = first
    predictions = np.load(next((place / "data/evaluations").glob("*/predictions.npz")))
    tile_id = str(predictions["tile_ids"][0])

    def find(folder, suffix):
        return next(tiles.glob(f"*/{folder}/{tile_id}.{suffix}"))

    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "predict", str(place / "models")]
    options = {
        "--rgb": find("field_images/rgb", "jpg"),
        "--nir": find("field_images/nir", "jpg"),
        "--boundary": find("field_bounds", "png"),
        "--mask": find("field_masks", "png"),
    }
    flat = [str(word) for pair in options.items() for word in pair]
    answer = subprocess.run([*command, *flat], check=True, capture_output=True, text=True, cwd=ROOT).stdout

    rows = [line.split() for line in answer.splitlines()]
    shown = {row[0]: float(row[1]) for row in rows if row[0] in _classes()}
    assert set(shown) == set(_classes())
    for name, probability in zip(_classes(), predictions["candidate"][0], strict=True):
        assert shown[name] == pytest.approx(float(probability), abs=6e-4)  # three decimals are printed


@pytest.mark.long
def test_a_worse_model_is_refused_and_the_first_stays_in_production(first, tiles):
    place, *_ = first
    before = (place / "models/production.json").read_bytes()

    result = finish(run(place, tiles, config={**TINY, "epochs": 1, "learning_rate": 1e-6}, train_num_workers=1))

    assert result.returncode == 0, result.stdout + result.stderr
    report = summary(place)
    assert report["decision"] == "refuse"
    assert "against production's" in report["reason"]
    assert report["gate"]["question"] == 1
    (ledger,) = (place / "models/gate").glob("*.json")
    assert json.loads(ledger.read_text())["questions"][0]["outcome"] == report["outcome"]
    assert report["model_version"] is None
    assert (place / "models/production.json").read_bytes() == before


@pytest.mark.long
def test_the_same_seed_gives_the_same_hashes_and_metrics_elsewhere_and_after_being_killed(first, tiles, tmp_path):
    reference = first[2]
    source = tmp_path / "elsewhere"
    shutil.copytree(tiles, source)  # other paths, other modification times
    pause = random.Random(0)

    for line in ("shard 1 | started", "train | epoch 1/2 done"):
        with run(tmp_path, source) as process:
            _wait_for_line(tmp_path, line)
            time.sleep(pause.uniform(0, 1))
            process.kill()
        _assert_nothing_half_visible(tmp_path)
    result = finish(run(tmp_path, source))

    assert result.returncode == 0, result.stdout + result.stderr
    report = summary(tmp_path)
    assert report["manifest_sha256"] == reference["manifest_sha256"]
    assert report["metrics"] == reference["metrics"]
    # Whichever of the runs it was that pushed: one that was killed right after it may have.
    production = json.loads((tmp_path / "models/production.json").read_text())
    assert production["version"] == reference["model_version"]


def _wait_for_line(place, line):
    """Waits until a step of the newest run has written it."""
    deadline = time.monotonic() + 120
    while not any(line in log.read_text() for log in sorted((place / "runs").glob("2*/log.txt"))[-1:]):
        assert time.monotonic() < deadline, f"waited for {line!r} in vain"
        time.sleep(0.1)


def _assert_nothing_half_visible(place):
    from components.dataset.audit.verify import verify_manifest

    for manifest in (place / "data").glob("datasets/*/manifest.json"):
        verify_manifest(str(manifest), None)
    for version in (place / "models").glob("versions/[!.]*"):
        assert (version / "card.json").is_file()
    pointer = place / "models/production.json"
    if pointer.exists():
        assert (place / "models/versions" / json.loads(pointer.read_text())["version"]).is_dir()


@pytest.mark.long
def test_one_folder_per_class_of_any_images_runs_the_whole_road(tmp_path):
    source, rng = tmp_path / "photos", np.random.default_rng(0)
    colours = {"maize field": (60, 150, 60), "wheat": (190, 160, 70)}
    for name, colour in colours.items():
        (source / name).mkdir(parents=True)
        for index in range(20):
            height, width = rng.integers(40, 120, 2)
            pixels = np.clip(rng.normal(colour, 20, (height, width, 3)), 0, 255).astype(np.uint8)
            suffix = "png" if index % 5 == 0 else "jpg"
            Image.fromarray(pixels).save(source / name / f"photo {index}.{suffix}")

    result = finish(run(tmp_path, source, config={**TINY, "epochs": 6, "global_batch_size": 8}, train_num_workers=1))

    assert result.returncode == 0, result.stdout + result.stderr
    report = summary(tmp_path)
    assert report["tiles"] == 40
    assert report["decision"] == "push"
    assert set(report["metrics"]["per_class"]) == set(colours)


def test_an_interrupted_run_says_how_to_go_on(tmp_path, tiles):
    process = run(tmp_path, tiles)
    while "ingest" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)

    result = finish(process, timeout=30)

    assert result.returncode == 130
    log = (tmp_path / "runs/latest").resolve() / "log.txt"
    assert log.is_file()
    assert result.stderr == f"agrivision: stopped; run the same command again to resume; its log is '{log}'\n"


def _empty(source):
    source.mkdir()


def _photos(source):
    (source / "holiday").mkdir(parents=True)
    (source / "holiday/readme.txt").write_text("no tiles")


def _without_nir(source):
    for folder in source.glob("*/field_images/nir"):
        shutil.rmtree(folder)


def _cut_images(source):
    for path in source.glob("*/field_images/rgb/*.jpg"):
        path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_empty, "no "),
        (_photos, "expected"),
        (_without_nir, "nir"),
        (_cut_images, "truncated"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_42_and_leaves_no_dataset(tmp_path, tiles, spoil, message):
    source = tmp_path / "source"
    if spoil in (_without_nir, _cut_images):
        shutil.copytree(tiles, source)
    spoil(source)

    result = finish(run(tmp_path, source))

    assert result.returncode == 42, result.stdout + result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr.lower()
    assert "Traceback" not in result.stdout + result.stderr
    assert not list((tmp_path / "data").glob("datasets/*/manifest.json"))
    assert not (tmp_path / "models").exists()
