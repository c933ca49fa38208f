"""A pushed version has the formats that answer as it does; one that does not costs the version nothing."""

import contextlib
import hashlib
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from colour_model import ColourModel, colour_dataset, colour_training
from models_here import models_here, run_models_here, thread_of

from components.contracts import DenseScores, ModelCard
from components.errors import DataError
from components.evaluate.evaluation import evaluate_training
from components.progress import StepLog
from components.push.card import model_card
from components.push.exports import made
from components.push.exports.converters import convert
from components.push.exports.kinds import KINDS, missing_modules
from components.push.exports.portable import weight_bytes
from components.push.exports.trying import answer_with_file
from components.push.publish import push_model
from components.records.tfrecords import decode_image
from components.saved_model.asking import AskedModel, ModelProcess
from components.saved_model.files import digests, verified_copy

__all__ = ["models_here"]
LITERT = KINDS["litert"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    manifest = colour_dataset(root, num_val=12, num_test=24)
    receipt = colour_training(root, manifest)
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        told = evaluate_training(str(root), str(root / "none"), manifest, receipt, root / "report.html", StepLog("x"))
    return root, manifest, receipt, told.evaluation


def converted_here(folder, card, kind):
    target = folder / "work" / Path(kind.path).name
    target.parent.mkdir(exist_ok=True)
    convert(folder / "model", card, kind, target)
    return target, weight_bytes(folder / "model", kind)


@contextlib.contextmanager
def asked_here(folder, kind, bands, image_size_px, ratio):
    def decode(*files):
        return decode_image(*files, bands, image_size_px, ratio)

    def work(folder, requests, replies):
        answer_with_file(folder, kind, decode, requests, replies)

    with thread_of(work, folder) as (stdin, stdout):
        yield AskedModel(ModelProcess(stdin, stdout, stdin.close), kind.path)


@pytest.fixture
def exports_here(models_here, monkeypatch):
    """Converts and tries formats in the test's process."""
    monkeypatch.setattr(made, "converted", converted_here)
    monkeypatch.setattr(made, "asked_export", asked_here)


def push(data, models_uri, *kinds):
    root, manifest, receipt, evaluation = data
    pushed = push_model(str(root), str(models_uri), manifest, receipt, evaluation, StepLog("push"), None, kinds)
    return Path(pushed.model_uri), ModelCard.read(Path(pushed.model_uri) / "card.json")


@pytest.mark.long
def test_a_format_that_answers_as_the_model_is_published_with_its_digest(data, tmp_path, exports_here, capsys):
    folder, card = push(data, tmp_path, LITERT)
    (export,) = card.exports
    content = (folder / "exports" / "model.tflite").read_bytes()
    assert (export.kind, export.path, export.num_tiles) == ("litert", "exports/model.tflite", 24)
    assert export.difference <= export.tolerance == 1e-5
    assert export.num_bytes == len(content) >= export.weight_bytes > 0
    assert card.attachments[export.path] == hashlib.sha256(content).hexdigest()
    assert f"**litert**: `{export.path}`" in (folder / "README.md").read_text()
    assert "push | exports/model.tflite: " in capsys.readouterr().out
    # Whoever asks the model copies no export.
    verified_copy(str(folder), card.files, tmp_path / "copy", beside=("card.json", *card.attachments))
    assert not (tmp_path / "copy" / "exports").exists()


def blind(folder, card, kind):
    """A converter that loses a class, and says nothing."""
    target, least = converted_here(folder, card, kind)
    module = tf.Module()
    specs = [tf.TensorSpec([None, 32, 32, count], tf.uint8, name) for name, count in (("image", 4), ("valid", 1))]

    def answer(image, valid):
        known = tf.cast(image[:, 0, 0, :1], tf.float32) + tf.cast(valid[:, 0, 0], tf.float32)
        return {"probabilities": tf.sigmoid(known * tf.zeros([1, 3]) - 9)}

    module.answer = tf.function(answer, input_signature=specs)
    saved = str(target.with_suffix(".other"))
    tf.saved_model.save(module, saved, signatures={"serving_default": module.answer.get_concrete_function()})
    target.write_bytes(tf.lite.TFLiteConverter.from_saved_model(saved).convert())
    return target, least


def without_weights(folder, card, kind):
    target, _ = converted_here(folder, card, kind)
    return target, target.stat().st_size + 1


def of_noise(folder, card, kind):
    target, _ = converted_here(folder, card, kind)
    target.write_bytes(np.random.default_rng(0).bytes(20_000))
    return target, 0


def a_link(folder, card, kind):
    target, least = converted_here(folder, card, kind)
    target.unlink()
    target.symlink_to("/etc/passwd")
    return target, least


def breaking(folder, card, kind):
    raise DataError("its converter has ended, for want of memory or after 900 s")


@pytest.mark.long
@pytest.mark.parametrize(
    ("converter", "problem"),
    [
        (
            without_weights,
            r"the file has ([\d,]+) bytes, expected at least the [\d,]+ of its weights: the converter lost",
        ),
        (blind, r"it answers tile \S+ 1 off, expected at most 1e-05"),
        (of_noise, r"cannot load the SavedModel at 'exports/model.tflite': ValueError: "),
        (a_link, r"its converter wrote no file"),
        (breaking, r"its converter has ended, for want of memory"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_format_that_is_not_the_model_is_left_out_and_the_model_is_pushed(
    data, tmp_path, exports_here, monkeypatch, capsys, converter, problem
):
    monkeypatch.setattr(made, "converted", converter)
    folder, card = push(data, tmp_path, LITERT)
    (export,) = card.exports
    with pytest.raises(DataError, match=problem):
        raise DataError(export.problem)
    assert (export.path, set(card.attachments)) == ("", {"README.md", "stac-item.json"})
    assert not (folder / LITERT.path).exists()
    assert "push | no litert, the model is pushed without it: " in capsys.readouterr().out
    assert "**litert**: refused: " in (folder / "README.md").read_text()
    assert (tmp_path / "production.json").exists()


def test_a_format_that_cannot_be_made_here_is_left_out(data, tmp_path, exports_here, monkeypatch):
    monkeypatch.setattr(made, "missing_modules", lambda kind: "tf2onnx not installed here")
    _, card = push(data, tmp_path, LITERT)
    assert card.exports[0].problem == "tf2onnx not installed here"


def test_a_version_that_is_there_keeps_its_formats(data, tmp_path, exports_here, capsys):
    folder, before = push(data, tmp_path)
    _, after = push(data, tmp_path, LITERT)
    assert (before, after.exports) == (after, ())
    assert not (folder / "exports").exists()
    assert "formats are made when a version is first pushed, so it has those of then" in capsys.readouterr().out


@pytest.mark.long
def test_an_export_that_was_changed_is_found_when_its_version_is_pushed_again(data, tmp_path, exports_here):
    folder, card = push(data, tmp_path, LITERT)
    file = folder / card.exports[0].path
    file.write_bytes(file.read_bytes()[:-1] + b"\x00\x00")
    with pytest.raises(DataError, match=r"model.tflite' has sha256 .*, so remove .* and push again"):
        push(data, tmp_path, LITERT)


class DenseColour(ColourModel):
    """Says of places what it says of tiles; `lost` is what its function for pixels gets wrong."""

    def __init__(self, bands, lost=0.0):
        super().__init__(bands, "multi_label", 0)
        self.lost = lost

    def _answers_batch(self, image, valid):
        maps = tf.nn.avg_pool2d(self._near(image, valid), 4, 4, "VALID") * 40
        return {"logits": self._logits(image, valid), "maps": maps + self.lost}


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "lost", "problem"),
    [
        ("litert", 0.0, ""),
        ("litert", 0.1, r"it answers tile \S+ 0.025 off, expected at most 1e-05"),  # of places, not of tiles
        ("onnx", 0.0, ""),
        ("qgis", 0.0, ""),
        ("qgis", 0.1, r"it answers tile \S+ 0.0\d+ off, expected at most 1e-05"),
    ],
)
def test_the_places_of_a_dense_head_are_compared_too(data, tmp_path, exports_here, name, lost, problem):
    if missing_modules(KINDS[name]):
        pytest.skip("the extra `onnx` is not installed")
    _, manifest, receipt, evaluation = data
    folder = tmp_path / "trained"
    tf.saved_model.save(DenseColour(manifest.bands, lost), str(folder))
    dense = DenseScores(
        mean_iou=0.5, interval=(0.4, 0.6), background_iou=0.5, class_iou={}, thresholds=(0.9, 0.5, 0.2), num_pixels=1
    )
    card = msgspec.structs.replace(model_card(receipt, evaluation, "content"), dense=dense)
    source = made.ExportSource(
        uri=str(folder),
        files=digests(str(folder)),
        card=card,
        data_root=str(data[0]),
        manifest=manifest,
        evaluation=evaluation,
    )
    (tmp_path / "serving").mkdir()
    (export,) = made.make_exports([KINDS[name]], source, tmp_path / "serving", StepLog("push"))
    assert re.fullmatch(problem, export.problem), export.problem
    assert (tmp_path / "serving" / KINDS[name].path).exists() is not bool(problem)


@pytest.mark.long
def test_formats_are_made_and_tried_in_processes_of_their_own(data, tmp_path, models_here):
    _, card = push(data, tmp_path, *KINDS.values())
    of_kind = {export.kind: export for export in card.exports}
    assert of_kind["litert"].problem == of_kind["litert-fp16"].problem == ""
    assert of_kind["litert-fp16"].tolerance == 1e-3
    if missing := missing_modules(KINDS["onnx"]):
        assert of_kind["onnx"].problem == of_kind["qgis"].problem == missing
    else:
        assert (of_kind["onnx"].problem, of_kind["onnx"].difference <= 1e-5) == ("", True)
        assert of_kind["qgis"].problem.endswith("this model was scored without a dense head")
