"""The YAML in front of a card, as the Hugging Face Hub reads it: tags, and scores as a `model-index`.

The Hub's form is described under "Model Cards" in its documentation. An interval has no place of its own there, so it
is among the `args` of its score. No `license` is stated: the licence of the data is not that of the model, and nobody
told the latter.
"""

from collections.abc import Iterator
from typing import Any

from components.contracts import ModelCard
from components.contracts.calibration import Interval
from components.printable import printable
from components.registry.card.wording import in_order

_LIBRARY = "tensorflow"
_CLASSIFICATION, _SEGMENTATION = "image-classification", "image-segmentation"
_METRICS = {
    "macro_f1": "f1",
    "macro_precision": "precision",
    "macro_recall": "recall",
    "map": "mean_average_precision",
    "macro_roc_auc": "roc_auc",
}


def front_matter(card: ModelCard) -> str:
    """Returns the YAML between its lines of dashes."""
    import yaml

    task = _SEGMENTATION if card.dense else _CLASSIFICATION
    known = {
        "library_name": _LIBRARY,
        "pipeline_tag": task,
        "tags": ["agriculture", "aerial-imagery", "remote-sensing", card.label_mode.replace("_", "-"), card.backbone],
        "model-index": [
            {
                "name": f"agrivision-{card.version}",
                "results": [
                    {
                        "task": {"type": task, "name": "crop patterns in aerial tiles"},
                        "dataset": _dataset(card),
                        "metrics": list(_metrics(card)),
                    }
                ],
            }
        ],
    }
    # safe_dump quotes whatever could be read as more than text.
    text = yaml.safe_dump(_printable(known), sort_keys=False, allow_unicode=True, width=10_000)
    return f"---\n{text}---\n"


def _dataset(card: ModelCard) -> dict[str, str]:
    layout = card.data.layout if card.data else "tiles"
    return {
        "type": layout,
        "name": f"tiles in the layout {layout}, test split",
        "split": "test",
        "revision": card.manifest_sha256[:16],
    }


def _metrics(card: ModelCard) -> Iterator[dict[str, Any]]:
    scores = card.scores
    for field, title in type(scores).titles().items():
        yield _metric(_METRICS.get(field, field), title, getattr(scores, field), scores.intervals.get(field))
    for name, each in in_order(scores.per_class, card.classes):
        if each.support:
            yield _metric("f1", f"F1 of {name}", each.f1, each.intervals.get("f1"))
            ap = each.average_precision
            yield _metric("average_precision", f"AP of {name}", ap, each.intervals.get("average_precision"))
    if card.reliability:
        yield _metric("expected_calibration_error", "ECE", card.reliability.ece, None)
        yield _metric("brier_score", "Brier score", card.reliability.brier, None)
    if card.dense:
        yield _metric("mean_iou", "overlap-aware mean IoU", card.dense.mean_iou, card.dense.interval)


def _metric(kind: str, name: str, value: float, interval: Interval | None) -> dict[str, Any]:
    metric: dict[str, Any] = {"type": kind, "name": name, "value": round(value, 6)}
    if interval:
        metric["args"] = {"interval_95": [round(end, 6) for end in interval]}
    return metric


def _printable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _printable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_printable(each) for each in value]
    return printable(value) if isinstance(value, str) else value
