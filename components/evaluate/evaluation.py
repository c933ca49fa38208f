"""Evaluates a trained model: chooses thresholds on val, scores it on test, and compares the production model there."""

import contextlib
import dataclasses
import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.contracts import Evaluation, Manifest, Scores, TrainingReceipt
from components.errors import DataError, SettingsError
from components.evaluate.field_intervals import CANDIDATE, PRODUCTION, with_intervals, write_sums
from components.evaluate.predictions import Predictions, answer_of, predict_split
from components.evaluate.production import Incumbent, load_production
from components.evaluate.report.findings import Findings, JudgedTiles
from components.evaluate.report.page import write_report
from components.evaluate.scores import ConfusionMatrix, RocCurve, confusion_matrix, micro_roc, score
from components.evaluate.thresholds import choose_thresholds, decide, fixed_thresholds
from components.progress import StepLog
from components.saved_model.answering import TRAINED
from components.saved_model.asking import AskedModel, asked_model
from components.scoring.field_sums import Answers, AnswerSums, class_edges, sum_tiles

_MOST_METRICS = 10  # that the page shows at once


@dataclasses.dataclass(frozen=True)
class EvaluationResult:
    """The results of the evaluate step.

    Attributes:
      metrics: Scalars for the KFP page, all finite; F1 only for classes with support.
      summary: One line for the log.
    """

    evaluation: Evaluation
    metrics: dict[str, float]
    confusion: ConfusionMatrix
    roc: RocCurve
    summary: str


@dataclasses.dataclass(frozen=True)
class _Compared:
    """The production model on the test tiles; arrays [N, C]."""

    scores: Scores
    probabilities: NDArray[np.float32]
    predicted: NDArray[np.bool_]
    thresholds: tuple[float, ...]


def evaluate_training(
    data_root: str,
    models_uri: str,
    manifest: Manifest,
    receipt: TrainingReceipt,
    report_path: Path,
    log: StepLog,
) -> EvaluationResult:
    """Evaluates a training; writes its predictions under `data_root` and its HTML report to `report_path`.

    Raises:
      SettingsError: if the training used another dataset.
      DataError: if there are no test tiles, or the model or a shard cannot be read.
    """
    _check(manifest, receipt)
    with contextlib.ExitStack() as stack:
        model = stack.enter_context(asked_model(storage.join(data_root, receipt.model_path), receipt.files))
        incumbent = load_production(models_uri, manifest, stack)
        return _evaluate(data_root, manifest, receipt, model, incumbent, report_path, log)


def _evaluate(
    data_root: str,
    manifest: Manifest,
    receipt: TrainingReceipt,
    model: AskedModel,
    incumbent: Incumbent,
    report_path: Path,
    log: StepLog,
) -> EvaluationResult:
    classes, label_mode = manifest.classes, receipt.label_mode
    answer = answer_of(model, TRAINED, len(classes))
    thresholds = fixed_thresholds(len(classes))
    if "val" in manifest.splits and label_mode != "single_label":
        val = predict_split(answer, data_root, manifest, "val", log, "the candidate")
        thresholds = choose_thresholds(val.probabilities, val.labels, val.unit_ids)
    everything = predict_split(answer, data_root, manifest, "test", log, "the candidate")
    test = everything.for_label_mode(label_mode)
    if not len(test.tile_ids):
        raise DataError(
            f"none of the {len(everything.tile_ids):,} test tiles has exactly one class, as label_mode requires"
        )
    predicted = decide(test.probabilities, thresholds, label_mode)
    scores = score(test.labels, test.probabilities, predicted, thresholds, classes)

    compared, note = _compare(incumbent, data_root, manifest, label_mode, log)
    sums = _sum_by_field(classes, test, predicted, compared)
    scored = with_intervals(sums, {CANDIDATE: scores} | ({PRODUCTION: compared.scores} if compared else {}))
    predictions_path = _write_predictions(data_root, test, predicted, compared)
    fields_path, fields_sha256 = write_sums(data_root, predictions_path.rpartition("/")[0], sums)
    evaluation = Evaluation(
        training_id=receipt.training_id,
        manifest_sha256=manifest.sha256,
        num_test_tiles=len(test.tile_ids),
        num_test_fields=len(sums.fields),
        test_set=sums.tiles_sha256,
        fields_path=fields_path,
        fields_sha256=fields_sha256,
        thresholds=thresholds,
        candidate=scored[CANDIDATE],
        predictions_path=predictions_path,
        production_version=incumbent.version,
        production_training_id=incumbent.training_id,
        production=scored.get(PRODUCTION),
        production_note=note,
    )
    confusion = confusion_matrix(test.labels, predicted, classes, label_mode)
    roc = micro_roc(test.labels, test.probabilities)
    unit_of_tile = np.searchsorted(sums.fields, test.unit_ids).astype(np.int32)
    tiles = JudgedTiles(test.labels, test.probabilities, test.positions, unit_of_tile)
    found = Findings(manifest, receipt, evaluation, sums, confusion, roc, tiles)
    write_report(found, data_root, model, report_path)
    return EvaluationResult(
        evaluation, _metrics(evaluation.candidate, evaluation.production), confusion, roc, _summary(evaluation)
    )


def _check(manifest: Manifest, receipt: TrainingReceipt) -> None:
    if receipt.manifest_sha256 != manifest.sha256:
        raise SettingsError(
            f"training {receipt.training_id} was made from manifest {receipt.manifest_sha256[:16]}, "
            f"not {manifest.sha256[:16]}; evaluate it on its own dataset"
        )
    if "test" not in manifest.splits:
        raise DataError(
            f"the dataset has no test tiles, only {', '.join(manifest.splits) or 'nothing'}; "
            "is ingest_test_percent above 0?"
        )


def _compare(
    incumbent: Incumbent, data_root: str, manifest: Manifest, label_mode: str, log: StepLog
) -> tuple[_Compared | None, str]:
    """Returns the production model's results, or None and the reason; its failure does not fail the evaluation."""
    card = incumbent.card
    if incumbent.answer is None or card is None:
        if incumbent.note:
            log.line(f"production is not compared: {incumbent.note}")
        return None, incumbent.note
    try:
        everything = predict_split(incumbent.answer, data_root, manifest, "test", log, "production")
    except DataError as error:  # the same tiles have just been read, so the model is at fault
        log.line(f"production is not compared: {error}")
        return None, f"version {incumbent.version}: {error}"
    test = everything.for_label_mode(label_mode)
    predicted = decide(test.probabilities, card.thresholds, card.label_mode)
    scores = score(test.labels, test.probabilities, predicted, card.thresholds, manifest.classes)
    return _Compared(scores, test.probabilities, predicted, card.thresholds), ""


def _sum_by_field(
    classes: tuple[str, ...], test: Predictions, predicted: NDArray[np.bool_], compared: _Compared | None
) -> AnswerSums:
    answers = {CANDIDATE: (predicted, test.probabilities)}
    if compared:
        answers[PRODUCTION] = (compared.predicted, compared.probabilities)
    of_models = {
        name: Answers(guess, scores, class_edges(test.labels, scores)) for name, (guess, scores) in answers.items()
    }
    return sum_tiles(classes, test.unit_ids, test.labels, of_models)


def _write_predictions(
    data_root: str, test: Predictions, predicted: NDArray[np.bool_], compared: _Compared | None
) -> str:
    """Writes the predictions under the hash of their content; returns their path under `data_root`."""
    arrays = {
        "tile_ids": test.tile_ids,
        "field_ids": test.field_ids,
        "labels": test.labels,
        "candidate": test.probabilities,
        "candidate_predicted": predicted,
    }
    if compared:
        arrays |= {
            "production": compared.probabilities,
            "production_predicted": compared.predicted,
            "production_thresholds": np.array(compared.thresholds),
        }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    content = buffer.getvalue()
    path = f"evaluations/{hashlib.sha256(content).hexdigest()[:16]}/predictions.npz"
    storage.write_once(storage.join(data_root, path), content)
    return path


def _metrics(scores: Scores, production: Scores | None) -> dict[str, float]:
    """Returns at most ten metrics, which is what Kubeflow's page shows at once, by name; the report has all.

    The gate's come first by name, then the weakest classes.
    """
    metrics = {"f1_macro": scores.macro_f1}
    if production is not None:
        metrics |= {"f1_macro_gain": scores.macro_f1 - production.macro_f1, "f1_macro_production": production.macro_f1}
    metrics |= {"map": scores.map, "precision_macro": scores.macro_precision, "recall_macro": scores.macro_recall}
    judged = sorted((values.f1, name) for name, values in scores.per_class.items() if values.support)
    return metrics | {f"f1_of_{name}": f1 for f1, name in judged[: _MOST_METRICS - len(metrics)]}


def _summary(evaluation: Evaluation) -> str:
    scores, production = evaluation.candidate, evaluation.production
    text = f"macro F1 {scores.macro_f1:.3f}, mAP {scores.map:.3f} on {evaluation.num_test_tiles:,} test tiles"
    return text + (f"; production has macro F1 {production.macro_f1:.3f}" if production else "")
