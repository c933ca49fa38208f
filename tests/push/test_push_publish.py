"""Pushing a model: what is published is what was evaluated, whole or not at all."""

import hashlib
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from colour_model import BANDS, SIZE_PX, colour_dataset, colour_training
from model_cards import served
from models_here import run_models_here
from tile_shards import encode, fake_record

from components import storage
from components.contracts import DatasetOrigin, Decision, ModelCard, PushedVersion, Scores
from components.errors import AgrivisionError, DataError, SettingsError
from components.evaluate.evaluation import evaluate_training
from components.progress import StepLog
from components.push.card import model_card
from components.push.publish import push_model
from components.push.serving import content_digest
from components.registry import read_production, rollback
from components.registry.card.page import card_page

LOG = StepLog("push")
ROOT = Path(__file__).parents[2]


def evaluate(data_root, models_uri, manifest, receipt):
    report_path = data_root / "report.html"
    return evaluate_training(str(data_root), str(models_uri), manifest, receipt, report_path, LOG).evaluation


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A dataset and two trainings of different models, each evaluated with nothing in production."""
    root = tmp_path_factory.mktemp("data")
    manifest = colour_dataset(root)
    pairs = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        for name, num_blind in (("first", 1), ("second", 0)):
            receipt = colour_training(root, manifest, name, num_blind=num_blind)
            pairs.append((receipt, evaluate(root, root / "none", manifest, receipt)))
    return root, manifest, *pairs


@pytest.fixture(scope="module")
def pushed(data, tmp_path_factory):
    """A models URI where the second model was pushed, and the receipt of that."""
    models_uri = tmp_path_factory.mktemp("pushed") / "models"
    return models_uri, push(data, models_uri, data[3])


def push(data, models_uri, pair, **changes):
    root, manifest = data[:2]
    return push_model(str(root), str(models_uri), manifest, pair[0], msgspec.structs.replace(pair[1], **changes), LOG)


def visible(models_uri):
    """Every visible file under models_uri, that is, without temporary and lock files."""
    return sorted(file.path for file in storage.list_files(str(models_uri))) if models_uri.exists() else []


def encoded(record, *names):
    return {name: tf.constant([getattr(record, name)]) for name in names}


@pytest.mark.slow
def test_the_served_model_answers_as_it_was_evaluated(data, pushed):
    root, manifest, _, (_, evaluation) = data
    model = tf.saved_model.load(pushed[1].model_uri)
    with np.load(root / evaluation.predictions_path) as arrays:
        expected = {name: arrays[name] for name in ("tile_ids", "candidate", "candidate_predicted")}
    records = {record.tile_id: record for record in (fake_record(2000 + number) for number in range(48))}
    assert sorted(records) == sorted(expected["tile_ids"])
    for tile_id, probabilities, predicted in zip(*expected.values(), strict=True):
        answer = model.signatures["masked"](**encoded(records[tile_id], "rgb", "nir", "valid_mask"))
        np.testing.assert_allclose(answer["probabilities"][0], probabilities, atol=1e-5)
        np.testing.assert_array_equal(answer["predicted"][0], predicted)
        assert [name.decode() for name in answer["class_names"].numpy()[0]] == list(manifest.classes)


def test_the_default_signature_counts_every_pixel(pushed):
    record = fake_record(2001)
    model = tf.saved_model.load(pushed[1].model_uri)
    default = model.signatures["serving_default"](**encoded(record, "rgb", "nir"))["probabilities"]
    masked = model.signatures["masked"]
    everything = masked(**encoded(record, "rgb", "nir"), valid_mask=tf.constant([b""]))["probabilities"]
    nothing = encode(np.zeros((48, 48), np.uint8), "PNG")
    blank = masked(**encoded(record, "rgb", "nir"), valid_mask=tf.constant([nothing]))["probabilities"]
    np.testing.assert_allclose(default, everything, atol=1e-6)
    assert np.abs(default - blank).max() > 0.5


def test_a_push_is_told_on_both_sides_and_a_second_one_blesses_no_changed_card(data, tmp_path):
    root, manifest, _, pair = data
    models_uri = tmp_path / "models"
    first = push(data, models_uri, pair)
    place = Path(first.model_uri) / "card.json"
    told = PushedVersion.read(root / f"pushed/{first.model_version}.json")
    assert told.card_sha256 == first.card_sha256 == hashlib.sha256(place.read_bytes()).hexdigest()
    card = ModelCard.read(place)
    assert card.lineage.content_sha256
    assert (root / f"documents/{card.lineage.evaluation_sha256}.json").read_bytes() == pair[1].to_json()
    msgspec.structs.replace(card, data_licence="none of your business").write(place)
    push(data, models_uri, pair)
    assert PushedVersion.read(root / f"pushed/{first.model_version}.json") == told
    origin = DatasetOrigin(manifest_sha256="0" * 64, manifest_file_sha256="0" * 64, inventory_sha256="0" * 64)
    with pytest.raises(SettingsError, match="the origin is of dataset 0000000000000000, not"):
        push_model(str(root), str(models_uri), manifest, *pair, LOG, origin=origin)


def test_the_card_says_what_the_model_is_and_how_to_call_it(data, pushed):
    _, manifest, _, (_, evaluation) = data
    card = ModelCard.read(Path(pushed[1].model_uri) / "card.json")
    assert card.version == pushed[1].model_version == Path(pushed[1].model_uri).name
    assert len(card.version) == 12
    assert (card.classes, card.bands, card.thresholds) == (manifest.classes, BANDS, evaluation.thresholds)
    assert (card.scores, card.training_id, card.image_size_px) == (evaluation.candidate, "second", SIZE_PX)
    assert set(card.usage) == {"serving_default", "masked", "maps", "pixels", "decoded"}
    assert card.stored_px == 48


def test_a_page_beside_the_card_says_the_same_and_its_digest_stands_in_the_card(data, pushed):
    _, manifest, _, (receipt, evaluation) = data
    folder = Path(pushed[1].model_uri)
    card = ModelCard.read(folder / "card.json")
    page = (folder / "README.md").read_bytes()
    assert page.decode() == card_page(card)
    assert card.attachments["README.md"] == hashlib.sha256(page).hexdigest()
    assert set(visible(folder)) == {"card.json", *card.files, *card.attachments}
    assert card.data.num_tiles == {name: split.num_tiles for name, split in manifest.splits.items()}
    assert (card.training.num_parameters, card.reliability) == (receipt.num_parameters, evaluation.reliability)
    assert card.lineage.evaluation_sha256 == evaluation.sha256


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda page: page.write_text("# The best model"), r"README.md' has sha256 .*, so remove .* and push again"),
        (lambda page: page.unlink(), r"README.md' is missing; .*, so remove .* and push again"),
        (lambda page: page.rename(page.with_name("READ.md")), r"READ.md' is no part of the model that was exported"),
    ],
)
def test_a_page_that_was_changed_is_found_when_its_version_is_pushed_again(
    data, pushed, tmp_path, models_here, change, message
):
    models_uri = tmp_path / "models"
    shutil.copytree(pushed[0], models_uri)
    change(models_uri / "versions" / pushed[1].model_version / "README.md")
    with pytest.raises(DataError, match=message):
        push(data, models_uri, data[3])


def test_the_version_follows_from_the_training_and_not_from_the_files(data):
    root, manifest, (first, _), (second, evaluation) = data
    again = colour_training(root, manifest, "again")
    same, copy = root / second.model_path, root / again.model_path
    assert (same / "saved_model.pb").read_bytes() != (copy / "saved_model.pb").read_bytes()
    assert content_digest(same) == content_digest(copy)
    assert content_digest(same) != content_digest(root / first.model_path)
    version = model_card(second, evaluation, content_digest(same)).version
    assert model_card(second, evaluation, content_digest(copy)).version == version
    moved = msgspec.structs.replace(evaluation, thresholds=(0.4, 0.5, 0.6))
    assert model_card(second, moved, content_digest(same)).version != version


def test_pushing_again_changes_nothing(data, pushed, models_here):
    models_uri, receipt = pushed
    before = {path: (models_uri / path).read_bytes() for path in visible(models_uri)}
    assert push(data, models_uri, data[3]) == receipt
    assert {path: (models_uri / path).read_bytes() for path in visible(models_uri)} == before


def test_a_better_model_follows_and_can_be_rolled_back(data, tmp_path, models_here):
    root, manifest, first, (receipt, _) = data
    models_uri = tmp_path / "models"
    old = push(data, models_uri, first)
    new = push(data, models_uri, (receipt, evaluate(root, models_uri, manifest, receipt)))
    assert new.previous_version == old.model_version
    assert served(str(models_uri)) == (new.model_version, old.model_version, ())
    rollback(str(models_uri))
    assert read_production(str(models_uri))[0].version == old.model_version
    assert sum(path.endswith("/card.json") for path in visible(models_uri)) == 2


def test_an_evaluation_older_than_production_is_not_pushed(data, pushed, models_here):
    models_uri, receipt = pushed
    before = visible(models_uri)
    with pytest.raises(AgrivisionError, match=f"another push won: .* is now {receipt.model_version}") as caught:
        push(data, models_uri, data[2])
    assert caught.value.exit_code == 1
    assert visible(models_uri) == before


def test_a_model_that_does_not_answer_as_evaluated_stays_invisible(data, tmp_path, models_here):
    first = data[2][0]
    receipt = msgspec.structs.replace(data[3][0], model_path=first.model_path, files=first.files)
    with pytest.raises(DataError, match=r"is not the evaluated one, nothing was pushed: it answers tile \S+ (0.9|1)"):
        push(data, tmp_path / "models", (receipt, data[3][1]))
    assert visible(tmp_path / "models") == []


def test_a_published_version_that_was_damaged_is_found_out(data, pushed, tmp_path, models_here):
    models_uri = tmp_path / "models"
    shutil.copytree(pushed[0], models_uri)
    (models_uri / "versions" / pushed[1].model_version / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"saved_model.pb' has sha256 .*, so remove .*versions/.* and push again"):
        push(data, models_uri, data[3])


def test_documents_that_do_not_belong_together_are_refused(data, tmp_path):
    with pytest.raises(SettingsError, match="the evaluation is of training second, not first"):
        push(data, tmp_path, (data[2][0], data[3][1]))
    with pytest.raises(SettingsError, match="the evaluation was made from manifest other, not"):
        push(data, tmp_path, data[3], manifest_sha256="other")
    with pytest.raises(DataError, match=r"no SavedModel at .*gone"):
        push(data, tmp_path, (msgspec.structs.replace(data[3][0], model_path="gone"), data[3][1]))


# A push in a process of its own, which ends itself with SIGKILL when it comes to the named function of `os` or storage.
# It verifies nothing: that takes another process, and is tested above.
PUSHER = """
import os, signal, sys
from pathlib import Path
from components import storage
from components.contracts import Evaluation, Manifest, TrainingReceipt
from components.progress import step_log
from components.push import publish
folder, data_root, models_uri, training, killed_at = sys.argv[1:]
def killed(*arguments, **names):
    os.kill(os.getpid(), signal.SIGKILL)
if killed_at == "rename":
    storage.os.rename = killed
elif killed_at == "pointer":
    storage.compare_and_swap = killed
publish.verify_serving_model = lambda *what: "not verified"
documents = [kind.read(Path(folder) / f"{training}.{kind.__name__}") for kind in (TrainingReceipt, Evaluation)]
with step_log("push") as log:
    manifest = Manifest.read(Path(folder) / "manifest")
    log.summary = publish.push_model(data_root, models_uri, manifest, *documents, log).model_version
"""


def start_push(data, folder, models_uri, training, killed_at="never"):
    root, manifest, *pairs = data
    manifest.write(folder / "manifest")
    for receipt, evaluation in pairs:
        receipt.write(folder / f"{receipt.training_id}.TrainingReceipt")
        evaluation.write(folder / f"{receipt.training_id}.Evaluation")
    command = [sys.executable, "-c", PUSHER, str(folder), str(root), str(models_uri), training, killed_at]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)


@pytest.mark.slow
@pytest.mark.parametrize("killed_at", ["rename", "pointer"])
def test_a_killed_push_leaves_nothing_in_production_and_can_be_repeated(data, tmp_path, models_here, killed_at):
    models_uri = tmp_path / "models"
    process = start_push(data, tmp_path, models_uri, "second", killed_at)
    process.communicate(timeout=240)
    assert process.returncode == -signal.SIGKILL
    assert not (models_uri / "production.json").exists()
    if killed_at == "rename":
        assert visible(models_uri) == []
    receipt = push(data, models_uri, data[3])
    assert served(str(models_uri)) == (receipt.model_version, None, ())
    tf.saved_model.load(receipt.model_uri)


@pytest.mark.slow
def test_of_two_pushes_at_once_one_wins_and_the_other_is_told(data, tmp_path):
    models_uri = tmp_path / "models"
    pushes = [start_push(data, tmp_path, models_uri, training) for training in ("first", "second")]
    outputs = [process.communicate(timeout=300)[0] for process in pushes]
    codes = [process.returncode for process in pushes]
    assert sorted(codes) == [0, 1], outputs
    winner = read_production(str(models_uri))[0]
    assert winner.previous is None
    assert winner.version in outputs[codes.index(0)].splitlines()[-1]
    (told,) = (line for line in outputs[codes.index(1)].splitlines() if line.startswith("push | failed"))
    assert f"failed (exit 1): another push won: production in '{models_uri}' is now {winner.version}" in told


def test_the_card_says_why_the_model_was_pushed(data, tmp_path):
    root, manifest, (receipt, evaluation), _ = data
    models_uri = tmp_path / "models"
    why = Decision(
        decision="push", outcome="push", reason="push: better", floor=0.5, training_id="first", candidate_macro_f1=0.9
    )
    push_model(str(root), str(models_uri), manifest, receipt, evaluation, LOG, why)
    (card,) = models_uri.glob("versions/*/card.json")
    assert ModelCard.read(card).decision == why
    assert set(ModelCard.read(card).scores.intervals) == set(Scores.titles())


@pytest.mark.parametrize("changes", [{"decision": "refuse"}, {"training_id": "another"}])
def test_a_model_that_the_gate_did_not_let_pass_is_not_pushed(data, tmp_path, changes):
    root, manifest, (receipt, evaluation), _ = data
    fields = {"decision": "push", "reason": "", "floor": 0.5, "training_id": "first", "candidate_macro_f1": 0.9}
    with pytest.raises(SettingsError, match=r"the gate's decision is .*, expected 'push' on 'first'"):
        push_model(str(root), str(tmp_path), manifest, receipt, evaluation, LOG, Decision(**{**fields, **changes}))
    assert not visible(tmp_path)
