"""A model that somebody swapped in a bucket is neither pushed nor asked."""

import shutil
from pathlib import Path

import msgspec
import pytest
from colour_model import colour_dataset, colour_training, receipt_of
from evil_models import halves, rewrite_card, save_evil, writes
from models_here import run_models_here
from one_tile import answer_about
from tile_shards import fake_record

from components.contracts import Calibration
from components.errors import DataError
from components.evaluate.evaluation import evaluate_training
from components.progress import StepLog
from components.push.card import model_card
from components.push.publish import push_model
from components.push.serving import content_digest

pytestmark = [pytest.mark.hostile, pytest.mark.usefixtures("models_here")]
LOG = StepLog("push")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory):
    """A data_root, its manifest, a training's receipt and evaluation, and models where it was pushed."""
    root = tmp_path_factory.mktemp("data")
    manifest = colour_dataset(root, num_val=6, num_test=12)
    receipt = colour_training(root, manifest)
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        page = root / "report.html"
        evaluation = evaluate_training(str(root), str(root / "none"), manifest, receipt, page, LOG).evaluation
        pushed = push_model(str(root), str(root / "models"), manifest, receipt, evaluation, LOG)
    return root, manifest, receipt, evaluation, pushed


def test_an_export_that_was_swapped_is_not_pushed(data, tmp_path: Path) -> None:
    root, manifest, receipt, evaluation, _ = data
    shutil.copytree(root / "training", tmp_path / "data/training")
    save_evil(tmp_path / "data" / receipt.model_path, writes(tmp_path / "owned"))
    places = str(tmp_path / "data"), str(tmp_path / "models"), manifest
    with pytest.raises(DataError, match=r"export/.*' (has sha256|is no part)"):
        push_model(*places, receipt, evaluation, LOG)
    forged = receipt_of(tmp_path / "data", manifest, receipt.training_id)
    with pytest.raises(DataError, match=r"cannot serve the SavedModel at .* the operation 'WriteFile', which no model"):
        push_model(*places, forged, evaluation, LOG)
    assert not (tmp_path / "owned").exists()
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("forges_card", [False, True])
def test_a_published_version_that_was_swapped_is_not_served_again(data, tmp_path: Path, forges_card: bool) -> None:
    root, manifest, receipt, evaluation, pushed = data
    shutil.copytree(root / "models", tmp_path / "models")
    folder = tmp_path / "models/versions" / pushed.model_version
    save_evil(folder, halves)
    message = r"has sha256|is no part"
    if forges_card:
        rewrite_card(folder)
        message = "has no signature 'serving_default'"
    with pytest.raises(DataError, match=rf"({message}).*; it is already published, so remove '.*' and push again"):
        push_model(str(root), str(tmp_path / "models"), manifest, receipt, evaluation, LOG)
    if forges_card:
        moved = msgspec.structs.replace(evaluation.not_sure, low=(0.01, 0.0, 0.0))
        for name, value in (("not_sure", moved), ("calibration", Calibration()), ("thresholds", (0.0, 0.0, 0.0))):
            own = {each: getattr(evaluation, each) for each in ("not_sure", "calibration", "thresholds")}
            rewrite_card(folder, **own | {name: value})
            said = "bounds of not sure" if name == "not_sure" else name
            with pytest.raises(DataError, match=rf"card.json' has other {said} than the model to push"):
                push_model(str(root), str(tmp_path / "models"), manifest, receipt, evaluation, LOG)


@pytest.mark.parametrize("forges_card", [False, True])
def test_predict_does_not_ask_a_swapped_model(data, tmp_path: Path, forges_card: bool) -> None:
    root, _, _, _, pushed = data
    shutil.copytree(root / "models", tmp_path / "models")
    folder = tmp_path / "models/versions" / pushed.model_version
    record = fake_record(2002)
    (tmp_path / "rgb.jpg").write_bytes(record.rgb)
    (tmp_path / "nir.jpg").write_bytes(record.nir)
    assert answer_about(str(tmp_path / "models"), tmp_path / "rgb.jpg", tmp_path / "nir.jpg")
    save_evil(folder, writes(tmp_path / "owned"))
    message = r"has sha256|is no part"
    if forges_card:
        rewrite_card(folder)
        message = "uses the operation 'WriteFile', which no model of this project needs"
    with pytest.raises(DataError, match=message):
        answer_about(str(tmp_path / "models"), tmp_path / "rgb.jpg", tmp_path / "nir.jpg")
    if forges_card:
        save_evil(folder, lambda rgb: halves(rgb, 7))
        rewrite_card(folder)
        with pytest.raises(DataError, match=r"must answer float32 \[1, 3\], got float32 \[1, 7\]"):
            answer_about(str(tmp_path / "models"), tmp_path / "rgb.jpg", tmp_path / "nir.jpg")
    assert not (tmp_path / "owned").exists()


def test_a_version_is_named_by_its_graph_too(data, tmp_path: Path) -> None:
    root, manifest, receipt, evaluation, _ = data
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, answer in ((first, halves), (second, lambda rgb: halves(rgb) * 0.5)):
        folder.mkdir()
        save_evil(folder, answer)
    data_of = "variables/variables.data-00000-of-00001"
    assert (first / data_of).stat().st_size == (second / data_of).stat().st_size, "the same variables"
    versions = {model_card(receipt, evaluation, content_digest(folder)).version for folder in (first, second)}
    assert len(versions) == 2
    again = colour_training(root, manifest, "again")
    named = msgspec.structs.replace(again, training_id=receipt.training_id)
    content = content_digest(root / again.model_path)
    assert content == content_digest(root / receipt.model_path), "equal trainings give equal versions"
    assert model_card(named, evaluation, content).version == data[4].model_version
