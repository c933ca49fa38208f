"""Each import contract of pyproject.toml notices what it is there for."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # each row is a process

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
NAMES = {contract["name"]: contract["id"] for contract in CONTRACTS}

# A file, an import that is planted in it, and the contracts that it breaks.
BREAKS = [
    ("components/shard/stored_size.py", "import components.shard.tile_check", {"no-circles"}),
    ("components/mirror.py", "import pipeline.display", {"pipeline-on-top"}),
    ("components/shard/writer.py", "import components.merge.duplicates", {"steps"}),
    ("components/evaluate/scores.py", "import components.gate.decision", {"steps"}),
    ("components/records/png.py", "import components.dataset.partition", {"no-circles", "steps"}),
    ("components/a_new_room.py", "", {"steps"}),
    ("pipeline/display.py", "import components.gate.component", {"wrappers"}),
    ("components/dataset/audit/leaks.py", "import components.dataset.drift.compare", {"dataset-rooms"}),
    ("components/dataset/receipts.py", "import components.dataset.audit.verify", {"dataset-rooms"}),
    ("components/merge/duplicates.py", "import components.merge.report.quarantine", {"merge-rooms", "no-circles"}),
    ("components/merge/a_new_room.py", "", {"merge-rooms"}),
    ("components/study/arms/derived.py", "import components.study.claims.rules", {"study-rooms"}),
    ("components/study/verdicts/numbers.py", "import components.study.protocol.plan", {"study-rooms"}),
    ("components/study/a_new_room.py", "", {"study-rooms"}),
    ("components/study/verdicts/judging.py", "import tensorflow", {"study-without-tensorflow"}),
    ("components/measuring/rounds.py", "import keras", {"study-without-tensorflow"}),
    ("components/study/experiments/formats/measured.py", "import keras", {"study-without-tensorflow"}),
    (
        "components/study/experiments/formats/measured.py",
        "import components.study.experiments.memory.growth",
        {"study-experiments"},
    ),
    ("components/serve/settings.py", "import components.study.protocol.plan", {"steps"}),
    ("components/scoring/resamples.py", "import components.scoring.field_effects", {"scoring-rooms"}),
    ("components/scoring/ranking.py", "import sklearn", {"scoring-alone"}),
    ("components/scaling/ring.py", "import sklearn", {"scaling-alone"}),
    ("components/ingest/splits.py", "import tensorflow", {"data-without-tensorflow", "study-without-tensorflow"}),
    ("components/dataset/audit/leaks.py", "import components.records.tfrecords", {"data-without-tensorflow"}),
    ("components/train/peers/distribution.py", "import components.train.input.order", {"training-rooms"}),
    ("components/train/a_new_room.py", "", {"training-rooms"}),
    ("components/train/launch/pods/launcher.py", "import tensorflow", {"data-without-tensorflow", "launching"}),
    ("components/train/launch/pods/launcher.py", "import components.train.loop", {"launching", "training-rooms"}),
    ("components/train/launch/local/gang.py", "import components.train.peers.lifeline", {"launching"}),
    (
        "components/train/settings/backbones.py",
        "import keras",
        {"data-without-tensorflow", "launching", "parameters", "study-without-tensorflow"},
    ),
    ("components/train/worker/worker.py", "import components.train.report", {"working"}),
    ("components/train/loop/observers.py", "import components.train.launch.lease", {"working"}),
    ("components/train/launch/local/gang.py", "import components.train.launch.pods.deadline", {"two-launchers"}),
    ("components/train/launch/pods/attempt.py", "import components.train.launch.local.spawn", {"two-launchers"}),
    ("pipeline/kubeflow/submit.py", "import pipeline.local.summary", {"pipeline-rooms", "submitting"}),
    ("pipeline/local/watch.py", "import pipeline.kubeflow.client", {"pipeline-rooms"}),
    ("pipeline/kubeflow/follow.py", "import pipeline.run_records.event", {"no-circles", "pipeline-rooms"}),
    ("pipeline/pod_settings.py", "import pipeline.display", {"pipeline-rooms"}),
    ("pipeline/kubeflow/package.py", "import pipeline.dag", {"submitting"}),
    ("pipeline/parameters.py", "import numpy", {"parameters"}),
    ("components/push/publish.py", "import kfp", {"kfp"}),
    ("components/mirror.py", "import tensorflow_io", {"s3"}),
    ("components/predict/asking.py", "import starlette", {"serving"}),
    ("components/predict/asking.py", "import components.serve.settings", {"no-circles", "steps"}),
    ("components/sweep/report.py", "import tensorflow", {"data-without-tensorflow"}),
    ("components/train/training.py", "import components.sweep.halving", {"no-circles", "steps"}),
    ("pipeline/sweep_form.py", "import numpy", {"parameters"}),
    ("pipeline/commands/lineage.py", "import openlineage", {"openlineage"}),
    ("components/push/publish.py", "import google.cloud.storage", {"gcs"}),
    ("components/train/launch/pods/job.py", "import kubernetes", {"kubernetes"}),
]


def _broken(tree):
    """Returns the ids of the contracts that a tree breaks; each of them is checked."""
    # The names of contracts are wrapped at the terminal's width.
    environment = {**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "300"}
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo"]
    done = subprocess.run(command, cwd=tree, env=environment, text=True, capture_output=True)
    verdicts = dict(re.findall(r"^(.+) (KEPT|BROKEN)(?: \(.*\))?$", done.stdout, re.MULTILINE))
    assert verdicts.keys() == NAMES.keys(), done.stdout + done.stderr
    broken = {NAMES[name] for name, verdict in verdicts.items() if verdict == "BROKEN"}
    assert done.returncode == bool(broken)
    return broken


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    tree = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", tree)
    for folder in ("agrivision_kfp", "components", "pipeline"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tree


def test_the_tree_as_it_is_keeps_every_contract(copy):
    assert _broken(copy) == set()


@pytest.mark.parametrize(("path", "planted", "expected"), BREAKS)
def test_a_forbidden_import_breaks_its_contract_and_no_other(copy, path, planted, expected):
    file = copy / path
    before = file.read_text() if file.exists() else None
    # Within a function, as the imports are that cost time.
    file.write_text((before or "") + (f"\n\ndef _planted():\n    {planted}\n" if planted else ""))
    try:
        assert _broken(copy) == expected
    finally:
        if before is None:
            file.unlink()
        else:
            file.write_text(before)


def test_every_contract_is_broken_once_by_itself():
    assert {contract for _, _, broken in BREAKS if len(broken) == 1 for contract in broken} == set(NAMES.values())
