"""Sums by field for tests of the scores and of the gate: random tiles, and an evaluation whose files are written."""

import hashlib

import numpy as np

from components import storage
from components.contracts import ClassScores, Evaluation, Scores
from components.f1_score import f1, macro
from components.scoring.field_lines import to_lines
from components.scoring.field_sums import Answers, class_edges, sum_tiles


def class_names(num_classes):
    return tuple(f"class{c}" for c in range(num_classes))


def sums_of(unit_ids, labels, *models, classes=None):
    """The sums of one or two models, candidate and production: each predicted [N, C], or a pair of that and scores."""
    pairs = [model if isinstance(model, tuple) else (model, model.astype(np.float32)) for model in models]
    answers = {
        name: Answers(predicted, scores, class_edges(labels, scores))
        for name, (predicted, scores) in zip(("candidate", "production"), pairs, strict=False)
    }
    return sum_tiles(classes or class_names(labels.shape[1]), np.asarray(unit_ids), labels, answers)


def scores_of(sums, model):
    totals = sums.counts(model).totals()
    of_class = f1(totals.hits, totals.predicted, totals.true)
    per_class = {
        name: ClassScores(
            threshold=0.5,
            precision=0,
            recall=0,
            f1=float(of_class[c]),
            average_precision=0,
            support=int(totals.true[c]),
        )
        for c, name in enumerate(sums.classes)
    }
    return Scores(macro_f1=macro(of_class, totals.true), macro_precision=0, macro_recall=0, map=0, per_class=per_class)


def evaluation_of(data_root, sums, **changes):
    """Writes the sums, and returns the evaluation that names them; production, if there is one, is version v1."""
    content = b"".join(to_lines(sums))
    sha256 = hashlib.sha256(content).hexdigest()
    path = f"evaluations/{sha256[:16]}/fields.jsonl"
    storage.write_once(storage.join(str(data_root), path), content)
    fields = {
        "training_id": "new",
        "manifest_sha256": "f" * 64,
        "num_test_tiles": int(sums.num_tiles.sum()),
        "num_test_fields": len(sums.fields),
        "test_set": sums.tiles_sha256,
        "fields_path": path,
        "fields_sha256": sha256,
        "thresholds": (0.5,) * len(sums.classes),
        "candidate": scores_of(sums, "candidate"),
        "predictions_path": "evaluations/1/predictions.npz",
    }
    if "production" in sums.models:
        fields |= {
            "production": scores_of(sums, "production"),
            "production_version": "v1",
            "production_training_id": "old",
        }
    return Evaluation(**{**fields, **changes})
