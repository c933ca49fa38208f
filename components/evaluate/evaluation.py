"""Evaluates a trained model: fits its answers on val, scores it on test, and compares the production model there."""

import contextlib
import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.contracts import Calibration, Evaluation, Manifest, NotSure, TrainingReceipt
from components.errors import DataError, SettingsError
from components.evaluate import calibrating
from components.evaluate.dense.candidate import DenseCandidate, dense_candidate
from components.evaluate.field_intervals import CANDIDATE, PRODUCTION, with_intervals, write_sums
from components.evaluate.judged import judge, sum_judged
from components.evaluate.kept_predictions import write_predictions
from components.evaluate.production import Incumbent, load_production
from components.evaluate.reading.columns import derive
from components.evaluate.reading.model_column import Answerer, logits_of
from components.evaluate.reading.predictions import SplitColumns
from components.evaluate.reading.split_pass import Models, Watch, read_split
from components.evaluate.report.findings import AnsweredTiles, Findings
from components.evaluate.report.page import write_report
from components.evaluate.scores import ConfusionMatrix, RocCurve, confusion_matrix, micro_roc
from components.evaluate.settings import EvaluateSettings
from components.evaluate.thresholds import choose_thresholds, fixed_thresholds
from components.evaluate.weaknesses.find import Answered, Candidate, find_weaknesses, watch_test
from components.progress import StepLog
from components.saved_model.asking import AskedModel, asked_model
from components.storage.scratch import scratch_folder

_DEFAULT = EvaluateSettings()
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


def evaluate_training(
    data_root: str,
    models_uri: str,
    manifest: Manifest,
    receipt: TrainingReceipt,
    report_path: Path,
    log: StepLog,
    settings: EvaluateSettings = _DEFAULT,
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
        scratch = stack.enter_context(scratch_folder("evaluate"))
        step = _Step(data_root, manifest, receipt, scratch, log, settings)
        dense = dense_candidate(model, manifest, receipt, log, stack)
        return _evaluate(step, model, incumbent, dense, report_path)


@dataclasses.dataclass(frozen=True)
class _Step:
    """What all of the evaluation works with; `scratch` is a local folder."""

    data_root: str
    manifest: Manifest
    receipt: TrainingReceipt
    scratch: Path
    log: StepLog
    settings: EvaluateSettings

    def folder(self, name: str) -> Path:
        """Returns a new folder under `scratch`."""
        folder = self.scratch / name
        folder.mkdir()
        return folder

    def read(self, split: str, models: Models, watch: Watch | None = None) -> SplitColumns:
        """Has models answer a split."""
        return read_split(
            models,
            self.data_root,
            self.manifest,
            split,
            self.folder(split),
            self.log,
            single_label=self.receipt.label_mode == calibrating.SINGLE_LABEL,
            watch=watch,
        )

    def probabilities(self, logits: NDArray[np.float32], calibration: Calibration, name: str) -> NDArray[np.float32]:
        """Returns what the candidate serves with a calibration, on disk under `name`."""
        path, mode = self.scratch / f"{name}.npy", self.receipt.label_mode
        return derive(path, lambda rows: calibrating.apply_calibration(rows, calibration, mode), logits, np.float32)


def _evaluate(
    step: _Step, model: AskedModel, incumbent: Incumbent, dense: DenseCandidate | None, report_path: Path
) -> EvaluationResult:
    manifest, receipt = step.manifest, step.receipt
    classes, label_mode = manifest.classes, receipt.label_mode
    asked = Answerer("the candidate", "logits", logits_of(model, len(classes)), is_needed=True)
    watched = watch_test(step.data_root, manifest)
    fitted = _fitted_on_val(step, asked, dense)
    if incumbent.note:
        step.log.line(f"production is not compared: {incumbent.note}")
    candidate = {CANDIDATE: dataclasses.replace(asked, answer=dense.on_test()) if dense else asked}
    test = step.read("test", {**candidate, **_beside(incumbent, dense)}, watched.watch)
    if not len(test):
        raise DataError(
            f"none of the {manifest.splits['test'].num_tiles:,} test tiles has exactly one class, as label_mode "
            "requires"
        )
    found_dense = dense.found(PRODUCTION not in test.notes) if dense else None
    logits = test.answers[CANDIDATE]
    probabilities = step.probabilities(logits, fitted.calibration, "test_probabilities")
    path = step.scratch / "predicted.npy"
    judged = {CANDIDATE: judge(test, probabilities, fitted.thresholds, classes, label_mode, path)}
    uncalibrated = step.probabilities(logits, calibrating.no_calibration(len(classes)), "uncalibrated")
    note = incumbent.note
    if PRODUCTION in test.notes:
        note = f"version {incumbent.version}: {test.notes[PRODUCTION]}"
        step.log.line(f"production is not compared: {test.notes[PRODUCTION]}")
    elif incumbent.card is not None:
        card, path = incumbent.card, step.scratch / "production_predicted.npy"
        judged[PRODUCTION] = judge(test, test.answers[PRODUCTION], card.thresholds, classes, card.label_mode, path)
    sums = sum_judged(classes, test, judged)
    scored = with_intervals(sums, {name: of_model.scores for name, of_model in judged.items()})
    folders = step.data_root, step.scratch
    (predictions_path, predictions_sha256), (sample_path, sample_sha256) = write_predictions(
        *folders,
        test,
        judged,
        logits,
        f"{manifest.sha256} {receipt.training_id}",
        found_dense.maps if found_dense else None,
    )
    folder = predictions_path.rpartition("/")[0]
    fields_path, fields_sha256 = write_sums(step.data_root, folder, step.scratch, sums)
    weak = Candidate(
        answer=lambda tiles: calibrating.apply_calibration(asked.answer(tiles), fitted.calibration, label_mode),
        thresholds=fitted.thresholds,
        label_mode=label_mode,
        image_size_px=receipt.image_size_px,
        splits=[*fitted.answered, Answered("test", test, probabilities)],
        predicted=judged[CANDIDATE].predicted,
        counts=sums.counts(CANDIDATE),
        num_tiles=sums.num_tiles,
    )
    slices, robustness, doubts = find_weaknesses(step.data_root, folder, manifest, weak, watched)
    evaluation = Evaluation(
        training_id=receipt.training_id,
        manifest_sha256=manifest.sha256,
        num_test_tiles=len(test),
        num_test_fields=len(sums.fields),
        test_set=sums.tiles_sha256,
        fields_path=fields_path,
        fields_sha256=fields_sha256,
        thresholds=fitted.thresholds,
        calibration=fitted.calibration,
        reliability=calibrating.reliability(classes, test.labels, uncalibrated, probabilities),
        not_sure=calibrating.measured(fitted.not_sure, classes, test, judged[CANDIDATE].predicted, probabilities),
        candidate=scored[CANDIDATE],
        predictions_path=predictions_path,
        predictions_sha256=predictions_sha256,
        sample_path=sample_path,
        sample_sha256=sample_sha256,
        production_version=incumbent.version,
        production_training_id=incumbent.training_id,
        production=scored.get(PRODUCTION),
        production_note=note,
        slices=slices,
        robustness=robustness,
        doubts=doubts,
        dense=found_dense.scores if found_dense else None,
        production_dense=found_dense.production if found_dense else None,
    )
    predicted = judged[CANDIDATE].predicted
    confusion = confusion_matrix(test.labels, predicted, classes, label_mode)
    roc = micro_roc(test.labels, probabilities)
    tiles = AnsweredTiles(test.labels, probabilities, predicted, test.positions, test.unit_of_tile, uncalibrated)
    found = Findings(
        manifest, receipt, evaluation, sums, confusion, roc, tiles, found_dense.shares_right if found_dense else None
    )
    write_report(found, step.data_root, model, report_path)
    return EvaluationResult(evaluation, _metrics(evaluation), confusion, roc, _summary(evaluation))


def _beside(incumbent: Incumbent, dense: DenseCandidate | None) -> Models:
    """Returns the model in production as one to ask beside the candidate, with its maps if both have some."""
    if incumbent.asked is None or incumbent.model is None or incumbent.card is None:
        return {}
    answer = dense.beside(incumbent.model, incumbent.card) if dense else None
    return {PRODUCTION: dataclasses.replace(incumbent.asked, answer=answer) if answer else incumbent.asked}


@dataclasses.dataclass(frozen=True)
class _Fitted:
    """What turns the candidate's logits into answers, and what it answered on val."""

    calibration: Calibration
    thresholds: tuple[float, ...]
    not_sure: NotSure
    answered: tuple[Answered, ...] = ()


def _fitted_on_val(step: _Step, asked: Answerer, dense: DenseCandidate | None) -> _Fitted:
    num_classes, label_mode = len(step.manifest.classes), step.receipt.label_mode
    thresholds, rate = fixed_thresholds(num_classes), step.settings.max_miss_rate
    if "val" not in step.manifest.splits:
        bounds = calibrating.no_bounds(num_classes, rate, thresholds, label_mode)
        fitted = _Fitted(calibrating.no_calibration(num_classes), thresholds, bounds)
    else:
        val = step.read("val", {CANDIDATE: dataclasses.replace(asked, answer=dense.on_val()) if dense else asked})
        calibration = calibrating.fit_calibration(val, val.answers[CANDIDATE], label_mode)
        probabilities = step.probabilities(val.answers[CANDIDATE], calibration, "val_probabilities")
        if label_mode != calibrating.SINGLE_LABEL:
            thresholds = choose_thresholds(probabilities, val.labels, val.unit_of_tile)
        bounds = calibrating.choose_bounds(val, probabilities, rate, thresholds, label_mode)
        val.forget()
        fitted = _Fitted(calibration, thresholds, bounds, (Answered("val", val, probabilities),))
    if note := calibrating.bounds_note(fitted.not_sure, step.manifest.classes):
        step.log.line(note)
    return fitted


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


def _metrics(evaluation: Evaluation) -> dict[str, float]:
    """Returns at most ten metrics, which is what Kubeflow's page shows at once, by name; the report has all.

    The gate's come first by name, then the weakest classes.
    """
    scores, production = evaluation.candidate, evaluation.production
    metrics = {"f1_macro": scores.macro_f1}
    if production is not None:
        metrics |= {"f1_macro_gain": scores.macro_f1 - production.macro_f1, "f1_macro_production": production.macro_f1}
    metrics |= {"map": scores.map, "precision_macro": scores.macro_precision, "recall_macro": scores.macro_recall}
    if evaluation.dense is not None:
        metrics["mean_iou"] = evaluation.dense.mean_iou
    judged = sorted((values.f1, name) for name, values in scores.per_class.items() if values.support)
    return metrics | {f"f1_of_{name}": f1 for f1, name in judged[: _MOST_METRICS - len(metrics)]}


def _summary(evaluation: Evaluation) -> str:
    scores, production = evaluation.candidate, evaluation.production
    places = f", mean IoU {evaluation.dense.mean_iou:.3f}" if evaluation.dense else ""
    text = f"macro F1 {scores.macro_f1:.3f}, mAP {scores.map:.3f}{places} on {evaluation.num_test_tiles:,} test tiles"
    return text + (f"; production has macro F1 {production.macro_f1:.3f}" if production else "")
