"""The report of the gate: the decision, and the numbers that it was made by."""

from components import report, words
from components.contracts import Decision, Evaluation

_VERDICTS = {"push": "The model is pushed.", "refuse": "The model is not pushed."}


def write_report(decision: Decision, evaluation: Evaluation, path: str) -> None:
    """Writes the report as an HTML page."""
    start, _, reason = decision.reason.partition(": ")
    blocks = [
        report.paragraph(_VERDICTS.get(decision.decision, decision.decision)),
        report.paragraph(f"Reason: {reason or start}."),
        report.table(("", "value"), _numbers(decision, evaluation)),
    ]
    if decision.class_differences:
        rows = [
            (name, words.Number(f"{mean:+.3f}"), words.Number(_ends(low, high)))
            for name, (mean, low, high) in decision.class_differences.items()
        ]
        blocks += [
            report.heading("Against production, by class"),
            report.table(("class", "F1", "95 %"), rows),
        ]
    blocks.append(
        report.paragraph(
            f"Training {evaluation.training_id}, judged on a test split of {evaluation.num_test_tiles:,}. A model is "
            "pushed if it reaches the floors, lost no class, and is better than the model in production by more than "
            "noise. The more often a test set has been asked, the less likely by chance a difference must be."
        )
    )
    report.write_page(path, "Decision", blocks)


def _numbers(decision: Decision, evaluation: Evaluation) -> list[tuple[str, str]]:
    is_judged = any(scores.support for scores in evaluation.candidate.per_class.values())
    rows: list[tuple[str, str]] = [
        ("macro F1 of this model", words.as_score(decision.candidate_macro_f1, is_judged)),
        ("floor (gate_min_macro_f1)", words.as_score(decision.floor)),
    ]
    if decision.class_floor:
        rows.append(("floor of each class (gate_min_class_f1)", words.as_score(decision.class_floor)))
    if decision.mean_iou is not None and decision.mean_iou_interval is not None:
        low, high = decision.mean_iou_interval
        rows.append(("mean IoU of its maps", words.as_score(decision.mean_iou)))
        rows.append(("its interval", words.Number(f"{low:.3f} to {high:.3f}")))
    if decision.mean_iou_floor:
        rows.append(("floor (gate_min_mean_iou)", words.as_score(decision.mean_iou_floor)))
    if decision.production_macro_f1 is not None:
        rows.append(("macro F1 of production", words.as_score(decision.production_macro_f1)))
        rows.append(("version in production", str(evaluation.production_version)))
    if decision.difference is not None:
        mean, low, high = decision.difference
        rows += [("difference", f"{mean:+.3f}"), ("its interval", _ends(low, high))]
    if decision.p_value is not None and decision.alpha is not None:
        rows.append(("by chance at most", f"{decision.p_value:.2%}, must be {decision.alpha:.2%}"))
        rows.append(("question to this test set", f"{decision.question:,}"))
    if decision.smallest_gain is not None:
        rows.append(("gain that it would find", words.as_score(min(decision.smallest_gain, 1.0))))
    return rows


def _ends(low: float, high: float) -> str:
    return f"{low:+.3f} to {high:+.3f}"
