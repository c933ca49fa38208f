"""Pushing a model: what is published is what was evaluated, whole or not at all."""

import hashlib
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from colour_model import BANDS, SIZE_PX, colour_training
from model_cards import served
from pushing import LOG, evaluate, push, visible
from tile_shards import encode, fake_record

from components.contracts import DatasetOrigin, Decision, ModelCard, PushedVersion, Scores
from components.errors import AgrivisionError, DataError, SettingsError
from components.push.card import model_card
from components.push.publish import push_model
from components.push.serving import content_digest
from components.registry import read_production, rollback
from components.registry.card.page import card_page


@pytest.fixture(scope="module")
def pushed(two_trainings, tmp_path_factory):
    """A models URI where the second model was pushed, and the receipt of that."""
    models_uri = tmp_path_factory.mktemp("pushed") / "models"
    return models_uri, push(two_trainings, models_uri, two_trainings[3])


def encoded(record, *names):
    return {name: tf.constant([getattr(record, name)]) for name in names}


@pytest.mark.slow
def test_the_served_model_answers_as_it_was_evaluated(two_trainings, pushed):
    root, manifest, _, (_, evaluation) = two_trainings
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


@pytest.mark.long
def test_a_push_is_told_on_both_sides_and_a_second_one_blesses_no_changed_card(two_trainings, tmp_path):
    root, manifest, _, pair = two_trainings
    models_uri = tmp_path / "models"
    first = push(two_trainings, models_uri, pair)
    place = Path(first.model_uri) / "card.json"
    told = PushedVersion.read(root / f"pushed/{first.model_version}.json")
    assert told.card_sha256 == first.card_sha256 == hashlib.sha256(place.read_bytes()).hexdigest()
    card = ModelCard.read(place)
    assert card.lineage.content_sha256
    assert (root / f"documents/{card.lineage.evaluation_sha256}.json").read_bytes() == pair[1].to_json()
    msgspec.structs.replace(card, data_licence="none of your business").write(place)
    push(two_trainings, models_uri, pair)
    assert PushedVersion.read(root / f"pushed/{first.model_version}.json") == told
    origin = DatasetOrigin(manifest_sha256="0" * 64, manifest_file_sha256="0" * 64, inventory_sha256="0" * 64)
    with pytest.raises(SettingsError, match="the origin is of dataset 0000000000000000, not"):
        push_model(str(root), str(models_uri), manifest, *pair, LOG, origin=origin)


def test_the_card_says_what_the_model_is_and_how_to_call_it(two_trainings, pushed):
    _, manifest, _, (_, evaluation) = two_trainings
    card = ModelCard.read(Path(pushed[1].model_uri) / "card.json")
    assert card.version == pushed[1].model_version == Path(pushed[1].model_uri).name
    assert len(card.version) == 12
    assert (card.classes, card.bands, card.thresholds) == (manifest.classes, BANDS, evaluation.thresholds)
    assert (card.scores, card.training_id, card.image_size_px) == (evaluation.candidate, "second", SIZE_PX)
    assert set(card.usage) == {"serving_default", "masked", "maps", "pixels", "decoded"}
    assert card.stored_px == 48


def test_a_page_beside_the_card_says_the_same_and_its_digest_stands_in_the_card(two_trainings, pushed):
    _, manifest, _, (receipt, evaluation) = two_trainings
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
    two_trainings, pushed, tmp_path, models_here, change, message
):
    models_uri = tmp_path / "models"
    shutil.copytree(pushed[0], models_uri)
    change(models_uri / "versions" / pushed[1].model_version / "README.md")
    with pytest.raises(DataError, match=message):
        push(two_trainings, models_uri, two_trainings[3])


def test_the_version_follows_from_the_training_and_not_from_the_files(two_trainings):
    root, manifest, (first, _), (second, evaluation) = two_trainings
    again = colour_training(root, manifest, "again")
    same, copy = root / second.model_path, root / again.model_path
    assert (same / "saved_model.pb").read_bytes() != (copy / "saved_model.pb").read_bytes()
    assert content_digest(same) == content_digest(copy)
    assert content_digest(same) != content_digest(root / first.model_path)
    version = model_card(second, evaluation, content_digest(same)).version
    assert model_card(second, evaluation, content_digest(copy)).version == version
    moved = msgspec.structs.replace(evaluation, thresholds=(0.4, 0.5, 0.6))
    assert model_card(second, moved, content_digest(same)).version != version


def test_pushing_again_changes_nothing(two_trainings, pushed, models_here):
    models_uri, receipt = pushed
    before = {path: (models_uri / path).read_bytes() for path in visible(models_uri)}
    assert push(two_trainings, models_uri, two_trainings[3]) == receipt
    assert {path: (models_uri / path).read_bytes() for path in visible(models_uri)} == before


@pytest.mark.long
def test_a_better_model_follows_and_can_be_rolled_back(two_trainings, tmp_path, models_here):
    root, manifest, first, (receipt, _) = two_trainings
    models_uri = tmp_path / "models"
    old = push(two_trainings, models_uri, first)
    new = push(two_trainings, models_uri, (receipt, evaluate(root, models_uri, manifest, receipt)))
    assert new.previous_version == old.model_version
    assert served(str(models_uri)) == (new.model_version, old.model_version, ())
    rollback(str(models_uri))
    assert read_production(str(models_uri))[0].version == old.model_version
    assert sum(path.endswith("/card.json") for path in visible(models_uri)) == 2


def test_an_evaluation_older_than_production_is_not_pushed(two_trainings, pushed, models_here):
    models_uri, receipt = pushed
    before = visible(models_uri)
    with pytest.raises(AgrivisionError, match=f"another push won: .* is now {receipt.model_version}") as caught:
        push(two_trainings, models_uri, two_trainings[2])
    assert caught.value.exit_code == 1
    assert visible(models_uri) == before


def test_a_model_that_does_not_answer_as_evaluated_stays_invisible(two_trainings, tmp_path, models_here):
    first = two_trainings[2][0]
    receipt = msgspec.structs.replace(two_trainings[3][0], model_path=first.model_path, files=first.files)
    with pytest.raises(DataError, match=r"is not the evaluated one, nothing was pushed: it answers tile \S+ (0.9|1)"):
        push(two_trainings, tmp_path / "models", (receipt, two_trainings[3][1]))
    assert visible(tmp_path / "models") == []


def test_a_published_version_that_was_damaged_is_found_out(two_trainings, pushed, tmp_path, models_here):
    models_uri = tmp_path / "models"
    shutil.copytree(pushed[0], models_uri)
    (models_uri / "versions" / pushed[1].model_version / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"saved_model.pb' has sha256 .*, so remove .*versions/.* and push again"):
        push(two_trainings, models_uri, two_trainings[3])


def test_documents_that_do_not_belong_together_are_refused(two_trainings, tmp_path):
    with pytest.raises(SettingsError, match="the evaluation is of training second, not first"):
        push(two_trainings, tmp_path, (two_trainings[2][0], two_trainings[3][1]))
    with pytest.raises(SettingsError, match="the evaluation was made from manifest other, not"):
        push(two_trainings, tmp_path, two_trainings[3], manifest_sha256="other")
    with pytest.raises(DataError, match=r"no SavedModel at .*gone"):
        push(
            two_trainings,
            tmp_path,
            (msgspec.structs.replace(two_trainings[3][0], model_path="gone"), two_trainings[3][1]),
        )


@pytest.mark.long
def test_the_card_says_why_the_model_was_pushed(two_trainings, tmp_path):
    root, manifest, (receipt, evaluation), _ = two_trainings
    models_uri = tmp_path / "models"
    why = Decision(
        decision="push", outcome="push", reason="push: better", floor=0.5, training_id="first", candidate_macro_f1=0.9
    )
    push_model(str(root), str(models_uri), manifest, receipt, evaluation, LOG, why)
    (card,) = models_uri.glob("versions/*/card.json")
    assert ModelCard.read(card).decision == why
    assert set(ModelCard.read(card).scores.intervals) == set(Scores.titles())


@pytest.mark.parametrize("changes", [{"decision": "refuse"}, {"training_id": "another"}])
def test_a_model_that_the_gate_did_not_let_pass_is_not_pushed(two_trainings, tmp_path, changes):
    root, manifest, (receipt, evaluation), _ = two_trainings
    fields = {"decision": "push", "reason": "", "floor": 0.5, "training_id": "first", "candidate_macro_f1": 0.9}
    with pytest.raises(SettingsError, match=r"the gate's decision is .*, expected 'push' on 'first'"):
        push_model(str(root), str(tmp_path), manifest, receipt, evaluation, LOG, Decision(**{**fields, **changes}))
    assert not visible(tmp_path)
