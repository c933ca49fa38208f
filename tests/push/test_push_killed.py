"""A push that is killed, and two pushes at once: nothing half is visible, and the next push works and cleans up."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf
from model_cards import served
from pushing import push, visible

from components.contracts import ModelCard
from components.registry import read_production

ROOT = Path(__file__).parents[2]

# A push in a process of its own, which ends itself with SIGKILL when it comes to the named function of `os` or storage.
# It verifies nothing: that takes other processes, and is tested elsewhere.
PUSHER = """
import os, signal, sys, time
from pathlib import Path
from components import storage
from components.contracts import Evaluation, Manifest, TrainingReceipt
from components.progress import step_log
from components.push import publish
from components.push.exports import converting
from components.push.exports.kinds import KINDS
folder, data_root, models_uri, training, killed_at, *kinds = sys.argv[1:]
def killed(*arguments, **names):
    os.kill(os.getpid(), signal.SIGKILL)
if killed_at == "rename":
    storage.os.rename = killed
elif killed_at == "pointer":
    storage.compare_and_swap = killed
elif killed_at == "converting":  # while it waits for the process that converts
    converting.receive = lambda *what: killed(time.sleep(3))
publish.verify_serving_model = publish.verify_over_http = lambda *what: "not verified"
documents = [kind.read(Path(folder) / f"{training}.{kind.__name__}") for kind in (TrainingReceipt, Evaluation)]
with step_log("push") as log:
    manifest = Manifest.read(Path(folder) / "manifest")
    kinds = [KINDS[name] for name in kinds]
    log.summary = publish.push_model(data_root, models_uri, manifest, *documents, log, None, kinds).model_version
"""


def start_push(two_trainings, folder, models_uri, training, killed_at="never", *kinds):
    """Starts a push whose temporary files are in `folder`/scratch."""
    root, manifest, *pairs = two_trainings
    manifest.write(folder / "manifest")
    for receipt, evaluation in pairs:
        receipt.write(folder / f"{receipt.training_id}.TrainingReceipt")
        evaluation.write(folder / f"{receipt.training_id}.Evaluation")
    (folder / "scratch").mkdir(exist_ok=True)
    command = [sys.executable, "-c", PUSHER, str(folder), str(root), str(models_uri), training, killed_at, *kinds]
    variables = {**os.environ, "TMPDIR": str(folder / "scratch")}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env=variables)


def scratch_folders(folder):
    return sorted(path.name for path in (folder / "scratch").glob("agrivision-*"))


def num_working_in(folder):
    """Counts the processes that were told a folder below this one."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += os.fsencode(folder / "scratch") in path.read_bytes()
        except OSError:  # it has just ended
            continue
    return count


def check_versions_are_whole(models_uri):
    """Every version that is visible has the files of its card, and nothing else is there."""
    cards = {path.parent: ModelCard.read(path) for path in models_uri.glob("versions/*/card.json")}
    assert {path.name for path in models_uri.glob("versions/*") if path.is_dir()} == {uri.name for uri in cards}
    for folder, card in cards.items():
        expected = card.files | card.attachments
        found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        assert {*found} == {"card.json", *expected}
        for name, sha256 in expected.items():
            assert hashlib.sha256(found[name].read_bytes()).hexdigest() == sha256
    return [*cards.values()]


@pytest.mark.long
@pytest.mark.parametrize("killed_at", ["rename", "pointer"])
def test_a_killed_push_leaves_nothing_in_production_and_can_be_repeated(
    two_trainings, tmp_path, models_here, killed_at
):
    models_uri = tmp_path / "models"
    process = start_push(two_trainings, tmp_path, models_uri, "second", killed_at)
    process.communicate(timeout=240)
    assert process.returncode == -signal.SIGKILL
    assert not (models_uri / "production.json").exists()
    if killed_at == "rename":
        assert visible(models_uri) == []
    receipt = push(two_trainings, models_uri, two_trainings[3])
    assert served(str(models_uri)) == (receipt.model_version, None, ())
    tf.saved_model.load(receipt.model_uri)


@pytest.mark.slow
def test_of_two_pushes_at_once_one_wins_and_the_other_is_told(two_trainings, tmp_path):
    models_uri = tmp_path / "models"
    pushes = [start_push(two_trainings, tmp_path, models_uri, training) for training in ("first", "second")]
    outputs = [process.communicate(timeout=300)[0] for process in pushes]
    codes = [process.returncode for process in pushes]
    assert sorted(codes) == [0, 1], outputs
    winner = read_production(str(models_uri))[0]
    assert winner.previous is None
    assert winner.version in outputs[codes.index(0)].splitlines()[-1]
    (told,) = (line for line in outputs[codes.index(1)].splitlines() if line.startswith("push | failed"))
    assert f"failed (exit 1): another push won: production in '{models_uri}' is now {winner.version}" in told


@pytest.mark.long
def test_a_push_killed_amid_a_conversion_shows_nothing_and_the_next_one_works_and_cleans_up(two_trainings, tmp_path):
    models_uri = tmp_path / "models"
    process = start_push(two_trainings, tmp_path, models_uri, "second", "converting", "litert")
    process.communicate(timeout=400)
    assert process.returncode == -signal.SIGKILL
    assert visible(models_uri) == []
    assert len(scratch_folders(tmp_path)) > 1  # the one of the push, and the one in which the format is made
    deadline = time.monotonic() + 20
    while num_working_in(tmp_path):  # nobody is left who works for it
        assert time.monotonic() < deadline
        time.sleep(0.2)

    process = start_push(two_trainings, tmp_path, models_uri, "second", "never", "litert")
    output = process.communicate(timeout=400)[0]

    assert process.returncode == 0, output
    (card,) = check_versions_are_whole(models_uri)
    assert [(each.kind, each.path, each.problem) for each in card.exports] == [("litert", "exports/model.tflite", "")]
    assert served(str(models_uri)) == (card.version, None, ())
    assert (scratch_folders(tmp_path), num_working_in(tmp_path)) == ([], 0)


@pytest.mark.long
def test_of_two_pushes_with_exports_at_once_one_wins_and_every_version_is_whole(two_trainings, tmp_path):
    models_uri = tmp_path / "models"
    pushes = [
        start_push(two_trainings, tmp_path, models_uri, training, "never", "litert") for training in ("first", "second")
    ]
    outputs = [process.communicate(timeout=600)[0] for process in pushes]

    codes = [process.returncode for process in pushes]
    assert sorted(codes) == [0, 1], outputs
    cards = check_versions_are_whole(models_uri)
    assert all([each.path for each in card.exports] == ["exports/model.tflite"] for card in cards)
    winner = read_production(str(models_uri))[0].version
    assert winner in {card.version for card in cards}
    assert winner in outputs[codes.index(0)].splitlines()[-1]
    assert "another push won" in outputs[codes.index(1)]
    assert (scratch_folders(tmp_path), num_working_in(tmp_path)) == ([], 0)
