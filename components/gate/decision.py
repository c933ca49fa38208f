"""Decides whether a model is pushed: it must be good enough, and better than production by more than noise.

The checks go from what needs the fewest words to what needs the most: the model that is in production already, a score
below its floor, a class that was lost, and then the comparison of macro F1. docs/gate.md says what they promise, and
shows that they keep it.
"""

import msgspec

from components.contracts import Decision, Evaluation, Question
from components.gate.comparison import Comparison, compare_models
from components.gate.field_counts import read_counts
from components.gate.ledger import ask
from components.gate.settings import GateSettings
from components.gate.wording import (
    BELOW_FLOOR,
    CLASS_LOST,
    NOT_BETTER,
    PUSH,
    REFUSE,
    SAME_MODEL,
    UNDECIDABLE,
    uncompared,
    why,
)


def decide_push(data_root: str, models_uri: str, settings: GateSettings, evaluation: Evaluation) -> Decision:
    """Decides on a model by its scores on the test split, and counts the question that this puts to the test set.

    A production model that could not be compared (other classes, damaged) does not block a push; the reason says so.
    A repeated decision changes nothing.

    Raises:
      DataError: if the sums by field of the evaluation, or the ledger, are missing or unreadable.
    """
    reliability, not_sure = evaluation.reliability, evaluation.not_sure
    worst = evaluation.slices.worst_score if evaluation.slices else None
    changed_images = evaluation.robustness.rows if evaluation.robustness else ()
    bare = Decision(
        decision=REFUSE,
        reason="",
        floor=settings.min_macro_f1,
        class_floor=settings.min_class_f1,
        mean_iou_floor=settings.min_mean_iou,
        training_id=evaluation.training_id,
        production_version=evaluation.production_version,
        candidate_macro_f1=evaluation.candidate.macro_f1,
        candidate_interval=evaluation.candidate.intervals.get("macro_f1"),
        production_macro_f1=evaluation.production.macro_f1 if evaluation.production else None,
        test_set=evaluation.test_set,
        ece_before=reliability.ece_before if reliability else None,
        ece=reliability.ece if reliability else None,
        miss_rate=not_sure.miss_rate if not_sure else None,
        share_not_sure=not_sure.share if not_sure else None,
        worst_slice=worst.title if worst else "",
        worst_slice_difference=worst.difference if worst else None,
        robustness={row.change: row.difference[0] for row in changed_images},
        num_label_doubts=evaluation.doubts.num_doubts if evaluation.doubts else None,
        mean_iou=evaluation.dense.mean_iou if evaluation.dense else None,
        mean_iou_interval=evaluation.dense.interval if evaluation.dense else None,
    )
    version = evaluation.production_version
    if version and evaluation.production_training_id == evaluation.training_id:
        return _as(bare, SAME_MODEL, f"training {evaluation.training_id} is already in production as {version}")
    too_low = _below_floor(evaluation, settings)
    if evaluation.production is None or version is None:
        return _as(bare, BELOW_FLOOR, too_low) if too_low else _as(bare, PUSH, uncompared(evaluation, settings))
    classes, counts = read_counts(data_root, evaluation)
    found = compare_models(classes, counts["candidate"], counts["production"], settings.max_class_loss)

    def answer(number: int, alpha: float) -> Question:
        outcome = BELOW_FLOOR if too_low else outcome_of(found, alpha, _production_f1(evaluation))
        return Question(
            training_id=evaluation.training_id,
            production_version=version,
            alpha=alpha,
            p_value=found.p_value,
            outcome=outcome,
            candidate_macro_f1=evaluation.candidate.macro_f1,
            production_macro_f1=_production_f1(evaluation),
        )

    number, question = ask(models_uri, evaluation.test_set, evaluation.training_id, version, answer)
    decided = msgspec.structs.replace(
        bare,
        difference=found.difference(question.alpha),
        class_differences=found.class_differences(),
        p_value=found.p_value,
        alpha=question.alpha,
        question=number,
        smallest_gain=found.smallest_gain(question.alpha),
    )
    return _as(decided, question.outcome, too_low or why(question.outcome, decided, found, settings))


def _as(decision: Decision, outcome: str, reason: str) -> Decision:
    kind = PUSH if outcome == PUSH else REFUSE
    label = kind if outcome == PUSH else f"{REFUSE} ({outcome})"
    return msgspec.structs.replace(decision, decision=kind, outcome=outcome, reason=f"{label}: {reason}")


def _production_f1(evaluation: Evaluation) -> float:
    return evaluation.production.macro_f1 if evaluation.production else 0.0


def _below_floor(evaluation: Evaluation, settings: GateSettings) -> str:
    """Returns which score is below its floor; empty if none is."""
    macro_f1, floor = evaluation.candidate.macro_f1, settings.min_macro_f1
    if macro_f1 < floor:
        return f"macro F1 {macro_f1:.3f} is below the floor {floor:.3f}"
    low = {
        name: scores.f1
        for name, scores in evaluation.candidate.per_class.items()
        if scores.support and scores.f1 < settings.min_class_f1
    }
    if not low:
        return _places_below_floor(evaluation, settings)
    named = ", ".join(f"{name} {score:.3f}" for name, score in sorted(low.items(), key=lambda item: item[1]))
    return f"F1 below the floor {settings.min_class_f1:.3f} of a class: {named}"


def _places_below_floor(evaluation: Evaluation, settings: GateSettings) -> str:
    floor = settings.min_mean_iou
    if not floor:
        return ""
    if evaluation.dense is None:
        return (
            f"no maps of the model were judged, and gate_min_mean_iou is {floor:g}; train with a dense head, or set it "
            "to 0"
        )
    mean_iou = evaluation.dense.mean_iou
    return f"mean IoU {mean_iou:.3f} is below the floor {floor:.3f}" if mean_iou < floor else ""


def outcome_of(found: Comparison, alpha: float, production_macro_f1: float) -> str:
    """Returns the outcome of a comparison, of a candidate above its floors, that is asked at `alpha`."""
    if found.lost:
        return CLASS_LOST
    if found.p_value <= alpha:
        return PUSH
    if not found.is_worse and found.is_undecidable(alpha, production_macro_f1):
        return UNDECIDABLE
    return NOT_BETTER
