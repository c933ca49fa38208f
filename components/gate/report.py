"""The report of the gate: the decision, and the numbers that it was made by."""

from components import report, words
from components.contracts import Decision, Evaluation

_VERDICTS = {"push": "The model is pushed.", "refuse": "The model is not pushed."}


def write_report(decision: Decision, evaluation: Evaluation, path: str) -> None:
    """Writes the report as an HTML page."""
    is_judged = any(scores.support for scores in evaluation.candidate.per_class.values())
    rows: list[tuple[str, str]] = [
        ("macro F1 of this model", words.as_score(decision.candidate_macro_f1, is_judged)),
        ("floor (gate_min_macro_f1)", words.as_score(decision.floor)),
    ]
    if decision.production_macro_f1 is not None:
        rows.append(("macro F1 of production", words.as_score(decision.production_macro_f1)))
        rows.append(("version in production", str(evaluation.production_version)))
    if decision.difference is not None:
        mean, low, high = decision.difference
        rows += [("difference", f"{mean:+.3f}"), ("its 95 % interval", f"{low:+.3f} to {high:+.3f}")]
    blocks = [
        report.paragraph(_VERDICTS.get(decision.decision, decision.decision)),
        report.paragraph(f"Reason: {decision.reason.removeprefix(f'{decision.decision}: ')}."),
        report.table(("", "value"), rows),
        report.paragraph(
            f"Training {evaluation.training_id}, judged on a test split of {evaluation.num_test_tiles:,}. A model "
            "is pushed if it reaches the floor and, where a model is in production, if the whole interval of the "
            "difference lies above 0; the interval is that of a paired bootstrap over fields."
        ),
    ]
    report.write_page(path, "Decision", blocks)
