"""The decision in a few lines of Markdown, for the page of a run and for comparing runs: what, why, and the way on."""

from components.contracts import Decision, Evaluation
from components.gate.wording import BELOW_FLOOR, CLASS_LOST, UNDECIDABLE
from components.markdown import bullets, code, plain, write_markdown

_PUSH = "push"


def write_in_short(decision: Decision, evaluation: Evaluation, path: str) -> None:
    """Writes it to a local file."""
    facts = [
        ("macro F1 of this model", f"{decision.candidate_macro_f1:.3f}"),
        ("floor", f"{decision.floor:.3f} ({code('gate_min_macro_f1')})"),
    ]
    if decision.mean_iou is not None:
        facts.append(("mean IoU of its maps", f"{decision.mean_iou:.3f}"))
    if decision.production_macro_f1 is not None:
        version = code(str(evaluation.production_version))
        facts.append(("macro F1 of production", f"{decision.production_macro_f1:.3f} (version {version})"))
    if decision.difference is not None:
        mean, low, high = decision.difference
        facts.append(("difference", f"{mean:+.3f}, from {low:+.3f} to {high:+.3f} with 95 %"))
    facts.append(("training", code(evaluation.training_id)))
    write_markdown(
        path,
        [
            "# Pushed" if decision.decision == _PUSH else "# Refused: production stays as it is",
            f"{plain(decision.reason.partition(': ')[2] or decision.reason)}.",
            bullets(facts),
            f"**What next?** {way_on(decision, evaluation)}",
        ],
    )


def way_on(decision: Decision, evaluation: Evaluation) -> str:
    """Returns what to do after a decision, in Markdown."""
    if decision.decision == _PUSH:
        return "The model is in production once the step push has ended; its output names the place."
    if decision.outcome == CLASS_LOST:
        return (
            "Look at the lost class in the evaluation's report: fewer of its tiles in training, or weight that others "
            f"took? {code('max_class_loss')} of {code('gate_options')} says how much a class may lose."
        )
    if decision.outcome == UNDECIDABLE:
        return "Test on more fields: so few cannot tell a gain of this size from chance."
    if evaluation.production_version and evaluation.production_training_id == evaluation.training_id:
        return "Nothing: this very model is in production. Change the data or a setting for another one."
    if decision.candidate_macro_f1 < decision.floor:
        return (
            f"Train for longer ({code('train_epochs')}) or with another {code('train_backbone')}; the evaluation's "
            f"report says which classes are weak. Or lower {code('gate_min_macro_f1')}, if that is good enough."
        )
    if decision.outcome == BELOW_FLOOR and decision.mean_iou_floor > (decision.mean_iou or 0.0):
        return (
            f"Train for longer ({code('train_epochs')}), or with larger images, which give finer maps. "
            f"{code('min_mean_iou')} of {code('gate_options')} is the floor."
        )
    if decision.outcome == BELOW_FLOOR:
        return f"Improve the weakest class, which the reason names; {code('gate_options')} has its floor."
    return (
        "The test fields do not show that this model is better than production's. Improve it by more, or test on more "
        "fields, which tell smaller differences apart."
    )
