"""The head of the report: the scores, how sure they are, and what this test set could find out at all."""

from components import report, words
from components.contracts import Evaluation, Manifest, Scores
from components.evaluate.field_intervals import CANDIDATE, PRODUCTION
from components.evaluate.report.findings import Findings
from components.evaluate.report.whiskers import shortened
from components.scoring.field_effects import macro_effects
from components.scoring.power import POWER, can_decide, smallest_gain, smallest_gain_over_alike
from components.scoring.spending import alpha_of

_ROW = "display:flex;flex-wrap:wrap;gap:8px 32px"
_BIG = "font-size:2em;font-weight:600;line-height:1.2"


def headline(found: Findings) -> list[str]:
    """Returns the blocks."""
    manifest, receipt, evaluation = found.manifest, found.receipt, found.evaluation
    scores, production = evaluation.candidate, evaluation.production
    unit = words.unit(manifest.layout)
    is_judged = any(values.support for values in scores.per_class.values())
    big = "".join(_big(scores, name, title, is_judged) for name, title in (("macro_f1", "macro F1"), ("map", "mAP")))

    def cell(of: Scores, name: str) -> object:
        return words.as_score(getattr(of, name), is_judged), _interval(of, name, is_judged)

    shown = [scores, *([production] if production else [])]
    rows = [(title, *(cell(each, name) for each in shown)) for name, title in Scores.titles().items()]
    return [
        f'<div style="{_ROW}">{big}</div>',
        report.paragraph(_versus(evaluation)),
        report.paragraph(
            f"{receipt.backbone} at {receipt.image_size_px} px, training {receipt.training_id}, on "
            f"{_tiles(manifest, evaluation)} that neither training nor the choice of thresholds has seen. Averages are "
            "over the classes that occur in them."
            + _left_out(manifest, evaluation, unit)
            + ("" if is_judged else f" None of the {unit}s has a class, so nothing was judged.")
        ),
        report.paragraph("The gate decides after this whether the model is pushed; its report, Decision, says why."),
        report.table(["", "this model", *(["production"] if production else [])], rows),
        *([report.paragraph(_what_it_can_find(found))] if is_judged else []),
    ]


def _big(scores: Scores, name: str, title: str, is_judged: bool) -> str:
    interval = _interval(scores, name, is_judged)
    below = f"<br><small>95 %: {interval}</small>" if interval else ""
    value = words.as_score(getattr(scores, name), is_judged)
    return f'<div><span style="{_BIG}">{value}</span> {title}{below}</div>'


def _interval(scores: Scores, name: str, is_judged: bool) -> str:
    return shortened(scores.intervals.get(name)) if is_judged else ""


def _versus(evaluation: Evaluation) -> str:
    if evaluation.production is not None:
        gain = evaluation.candidate.macro_f1 - evaluation.production.macro_f1
        return f"{gain:+.3f} macro F1 against version {evaluation.production_version}, in production."
    if evaluation.production_note:
        return f"Not compared with production: {evaluation.production_note}."
    return "Nothing in production yet."


def _tiles(manifest: Manifest, evaluation: Evaluation) -> str:
    num_fields, unit = manifest.splits["test"].num_fields, words.unit(manifest.layout)
    tiles = f"{evaluation.num_test_tiles:,} test {unit}s"
    if words.has_fields(evaluation.num_test_tiles, num_fields, manifest.layout):
        tiles += f" of {num_fields:,} fields"
    return tiles


def _left_out(manifest: Manifest, evaluation: Evaluation, unit: str) -> str:
    """Returns what a single-label model is not judged on, as a sentence; empty if there is none."""
    num_left_out = manifest.splits["test"].num_tiles - evaluation.num_test_tiles
    return f" {num_left_out:,} more {unit}s have no class, or several, and are left out." if num_left_out else ""


def _what_it_can_find(found: Findings) -> str:
    """Returns what difference this test set could detect, in one or two sentences."""
    alpha, sums = alpha_of(1), found.sums
    of_fields = words.has_fields(found.evaluation.num_test_tiles, len(sums.fields), found.manifest.layout)
    units = f"{len(sums.fields):,} {'field' if of_fields else words.unit(found.manifest.layout)}s"
    if not can_decide(len(sums.fields), alpha):
        return (
            f"This test set is too small to compare models on: {units} cannot show any difference at the "
            f"{alpha:.0%} that the gate allows the first question."
        )
    start = "What this test set can find: a macro F1 higher by"
    certainty = f"in {POWER:.0%} of cases, at the {alpha:.0%} that the gate allows the first question to a test set"
    if PRODUCTION in sums.models:
        effects = macro_effects(sums.counts(CANDIDATE), sums.counts(PRODUCTION))
        gain = smallest_gain(effects, alpha)
        if gain == 0:
            return f"Both models answered alike on all {units}, so there is no difference to find."
        how = f"how much the two models differ from field to field, in {units}"
        return f"{start} {_bounded(gain)} or more is found {certainty}. This follows from {how}."
    gain = smallest_gain_over_alike(sums.counts(CANDIDATE), alpha)
    return (
        f"{start} {_bounded(gain)} or more is found {certainty}, if the model in production were as good as this "
        "one and erred independently of it. Two trainings on the same data err alike, so less will do for them."
    )


def _bounded(gain: float) -> str:
    return f"{min(gain, 1.0):.3f}"
