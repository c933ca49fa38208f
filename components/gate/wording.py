"""What the gate says: the outcomes, the reason for one, and its numbers for scripts."""

import json

from components.contracts import Decision, Evaluation
from components.contracts.gate import IN_LOG, NUMBERS
from components.gate.comparison import Comparison
from components.gate.settings import GateSettings

PUSH = "push"
REFUSE = "refuse"

# Outcomes other than push; see Decision.
SAME_MODEL, BELOW_FLOOR, CLASS_LOST = "same_model", "below_floor", "class_lost"
NOT_BETTER, UNDECIDABLE = "not_better", "undecidable"


def numbers_line(decision: Decision) -> str:
    """Returns the numbers of a decision as one line for the log."""
    return NUMBERS + json.dumps({name: getattr(decision, name) for name in IN_LOG})


def uncompared(evaluation: Evaluation, settings: GateSettings) -> str:
    """Returns why a model is pushed that could not be compared."""
    reaches = f"macro F1 {evaluation.candidate.macro_f1:.3f} reaches the floor {settings.min_macro_f1:.3f}"
    if evaluation.production_note:
        return f"{reaches}, and production was not compared: {evaluation.production_note}"
    return f"no model in production yet and {reaches}"


def why(outcome: str, decided: Decision, found: Comparison, settings: GateSettings) -> str:
    """Returns the reason for the outcome of a comparison."""
    against = (
        f"macro F1 {decided.candidate_macro_f1:.3f} against production's {decided.production_macro_f1:.3f} "
        f"(version {decided.production_version})"
    )
    mean, low, high = decided.difference or (0.0, 0.0, 0.0)
    alpha = decided.alpha or 0.0
    asked = f"question {decided.question} to this test set, asked at {_percent(alpha)}"
    interval = f"difference {mean:+.3f} [{low:+.3f}, {high:+.3f}]"
    if outcome == CLASS_LOST:
        lost = ", ".join(map(str, found.lost))
        return f"lost {lost}, more than {settings.max_class_loss:g} and more than noise; {against}; {asked}"
    p_value = f"p = {_percent(found.p_value)}"
    if outcome == PUSH:
        return f"{against}: {interval} is above 0, {p_value}; {asked}"
    if outcome == UNDECIDABLE:
        return (
            f"{against}: {interval}; {found.num_fields} test fields are too few to tell, as they would find no gain "
            f"below {min(decided.smallest_gain or 1.0, 1.0):.3f}; {asked}"
        )
    if found.is_worse:
        return f"{against}: {interval}, worse by more than noise; {asked}"
    gain = decided.smallest_gain or 0.0
    return (
        f"{against}: {interval} is not above 0, {p_value}: not better than noise; {found.num_fields} test fields find "
        f"gains from about {gain:.3f}; {asked}"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
