"""A model that somebody swapped: a candidate is refused, one in production is a note, and neither does anything."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import tensorflow as tf
from colour_model import colour_dataset, colour_training, put_in_production
from evil_models import halves, rewrite_card, save_evil, writes
from models_here import run_models_here

from components.errors import DataError
from components.evaluate.evaluation import evaluate_training
from components.progress import StepLog
from components.saved_model.files import digests

pytestmark = pytest.mark.hostile
LOG = StepLog("evaluate")
Change = Callable[[Path, Path], object]


def evaluate(data, models_dir: Path, tmp_path: Path, receipt=None):
    root, manifest, good = data[:3]
    return evaluate_training(str(root), str(models_dir), manifest, receipt or good, tmp_path / "r.html", LOG).evaluation


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory):
    """A data_root with a dataset and a training; its manifest; its receipt; models with it in production; its card."""
    root = tmp_path_factory.mktemp("data")
    manifest = colour_dataset(root, num_val=6, num_test=12)
    receipt = colour_training(root, manifest)
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        evaluation = evaluate((root, manifest, receipt), root / "none", root)
    card = put_in_production(root, receipt, evaluation, str(root / "models"))
    return root, manifest, receipt, root / "models", card


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_graph(folder: Path, target: Path) -> None:
    cut(folder / "saved_model.pb")
    rewrite_card(folder)


def cut_variables(folder: Path, target: Path) -> None:
    cut(next((folder / "variables").glob("*.data*")))
    rewrite_card(folder)


def without_variables(folder: Path, target: Path) -> None:
    shutil.rmtree(folder / "variables")
    rewrite_card(folder)


def replaced(answer: Callable, signature: str = "masked", **card: object) -> Change:
    def change(folder: Path, target: Path) -> None:
        save_evil(folder, answer, signature)
        rewrite_card(folder, **card)

    return change


def swapped_but_for_the_card(folder: Path, target: Path) -> None:
    save_evil(folder, writes(target))


def writing(folder: Path, target: Path) -> None:
    save_evil(folder, writes(target))
    rewrite_card(folder)


def card_only(**changes: object) -> Change:
    return lambda folder, target: rewrite_card(folder, **changes)


@pytest.mark.usefixtures("models_here")
@pytest.mark.parametrize(
    ("change", "note"),
    [
        (swapped_but_for_the_card, "it is not the file that was exported"),
        (writing, "uses the operation 'WriteFile', which no model of this project needs"),
        (cut_graph, "saved_model.pb is damaged"),
        (cut_variables, "cannot load the SavedModel at"),
        (without_variables, "cannot load the SavedModel at"),
        (replaced(halves, "other"), "has no signature 'masked'"),
        (replaced(lambda rgb: halves(rgb, 7)), "must answer float32 [6, 3], got float32 [6, 7]"),
        (replaced(lambda rgb: halves(rgb[:1])), "must answer float32 [6, 3], got float32 [1, 3]"),
        (replaced(lambda rgb: halves(rgb) * float("nan")), "probabilities must be finite"),
        (replaced(lambda rgb: tf.ensure_shape(halves(rgb), [99, 3])), "production cannot answer the test tile"),
        (card_only(files={}), "was pushed by an earlier version of this project, whose card names no sha256"),
        (card_only(thresholds=(0.5,)), "has 1 thresholds for 3 classes"),
        (card_only(version="another"), "is that of version another"),
    ],
)
def test_a_production_model_that_was_swapped_is_a_note_and_the_evaluation_goes_on(
    data, tmp_path: Path, change: Change, note: str
) -> None:
    shutil.copytree(data[3], tmp_path / "models")
    target = tmp_path / "owned"
    change(tmp_path / "models/versions" / data[4].version, target)
    evaluation = evaluate(data, tmp_path / "models", tmp_path)
    assert note in evaluation.production_note
    assert "\n" not in evaluation.production_note
    assert evaluation.production is None
    assert evaluation.candidate.macro_f1 == 1.0
    assert not target.exists()


@pytest.mark.usefixtures("models_here")
def test_a_candidate_that_was_swapped_is_refused(data, tmp_path: Path) -> None:
    root, manifest, receipt = data[:3]
    shutil.copytree(root, tmp_path / "data")
    save_evil(tmp_path / "data" / receipt.model_path, writes(tmp_path / "owned"))
    swapped = (tmp_path / "data", manifest, receipt)
    with pytest.raises(DataError, match=r"export/.*' (has sha256|is no part)"):
        evaluate(swapped, tmp_path / "models", tmp_path)
    forged = msgspec.structs.replace(receipt, files=digests(str(tmp_path / "data" / receipt.model_path)))
    with pytest.raises(DataError, match="uses the operation 'WriteFile', which no model of this project needs"):
        evaluate(swapped, tmp_path / "models", tmp_path, forged)
    unsigned = msgspec.structs.replace(receipt, files={})
    with pytest.raises(DataError, match="its document comes from an earlier version of this project"):
        evaluate(swapped, tmp_path / "models", tmp_path, unsigned)
    assert not (tmp_path / "owned").exists()


@pytest.mark.slow
def test_a_production_model_that_wants_all_memory_is_a_note(data, tmp_path: Path) -> None:
    """In processes of their own: a machine without a terabyte has none for it."""
    shutil.copytree(data[3], tmp_path / "models")
    folder = tmp_path / "models/versions" / data[4].version
    save_evil(folder, lambda rgb: halves(rgb) + tf.reduce_max(tf.fill([1 << 38], tf.reduce_max(halves(rgb)))))
    rewrite_card(folder)
    evaluation = evaluate(data, tmp_path / "models", tmp_path)
    assert any(why in evaluation.production_note for why in ("OOM when allocating", "its process has ended"))
    assert evaluation.candidate.macro_f1 == 1.0
