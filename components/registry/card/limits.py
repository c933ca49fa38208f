"""What a model is for, and what it must not be used for: the same for every model, with the model's own numbers."""

from collections.abc import Iterator

from components.contracts import ClassScores, ModelCard
from components.markdown import bullets, code
from components.registry.card.wording import in_order, listed
from components.registry.licence import is_non_commercial

# Below these, the scores of a class say little about other fields.
_FEW_TILES, _FEW_FIELDS = 50, 10


def use_blocks(card: ModelCard) -> Iterator[str]:
    """Yields what it is for."""
    yield "## What it is for"
    yield (
        f"It says which of {len(card.classes)} patterns ({listed(list(card.classes), 12)}) an aerial tile of a field "
        "may show, so that a person knows where to look first. The answer to a tile is a hint about that tile, not a "
        "finding about the field."
    )
    yield (
        "It is not made for decisions without a person: what to spray or fertilise, what a field or a farm is worth, "
        "whether an insurance or a subsidy is paid, whether somebody has kept a rule. Who farms a field should know "
        "that it is being assessed, and be able to object."
    )
    if is_non_commercial(card.data_licence):
        yield (
            f"The data have the licence {code(card.data_licence)}, which forbids commercial use; channels that are "
            "marked commercial refuse this model."
        )


def limit_blocks(card: ModelCard) -> Iterator[str]:
    """Yields where it goes wrong, and where nobody knows."""
    yield "## Limits"
    yield bullets(
        [
            ("False alarms and misses", _errors(card)),
            ("Rare patterns", _rare(card)),
            ("Other regions, seasons and sensors", _elsewhere(card)),
            (
                "Labels",
                "people drew them, and overlook and confuse patterns, too. Scores measure agreement with them, not "
                "with the plants.",
            ),
            ("Not sure", _not_sure(card)),
        ]
    )


def _errors(card: ModelCard) -> str:
    judged = [(name, each) for name, each in in_order(card.scores.per_class, card.classes) if each.support]
    if not judged:
        return "no class had a test tile, so nobody knows how many there are."
    false_alarms = min(judged, key=lambda of: of[1].precision)
    misses = min(judged, key=lambda of: of[1].recall)
    return (
        f"of 100 tiles that it marks as {code(false_alarms[0])}, about {_of_100(1 - false_alarms[1].precision)} do not "
        f"show it; of 100 that show {code(misses[0])}, it misses about {_of_100(1 - misses[1].recall)}. These are its "
        "worst classes. Where a pattern is rarer than in the test fields, the share of false alarms is higher."
    )


def _of_100(share: float) -> str:
    return f"{100 * share:.0f}"


def _rare(card: ModelCard) -> str:
    rare = [name for name, each in in_order(card.scores.per_class, card.classes) if _is_rare(each)]
    if not rare:
        return f"every class has at least {_FEW_TILES} test tiles of {_FEW_FIELDS} fields."
    return (
        f"{listed(rare)} had fewer than {_FEW_TILES} test tiles or {_FEW_FIELDS} fields. Their scores may be far off, "
        "in either direction, as their intervals show."
    )


def _is_rare(scores: ClassScores) -> bool:
    return scores.support < _FEW_TILES or scores.num_fields < _FEW_FIELDS


def _elsewhere(card: ModelCard) -> str:
    seen = ""
    if card.data and card.data.num_fields.get("train"):
        seen = f"it has learned from {card.data.num_fields['train']:,} fields. "
    return (
        f"{seen}Other regions, crops, seasons, heights of flight and cameras were not tested, nor were bands other "
        f"than {', '.join(map(code, card.bands))}. Compare its answers with labels of "
        "your own fields before you rely on it."
    )


def _not_sure(card: ModelCard) -> str:
    if card.not_sure is None:
        return "it answers yes or no to everything, also to tiles unlike all that it has seen."
    worst = max(in_order(card.not_sure.per_class, card.classes), key=lambda of: of[1].miss_rate, default=None)
    of_worst = ""
    if worst and worst[1].num_fields and worst[1].miss_rate:
        ends = " to ".join(f"{end:.1%}" for end in worst[1].miss_interval)
        of_worst = f", most often {code(worst[0])} ({worst[1].miss_rate:.1%}, {ends})"
    return (
        f"it gives this answer to {card.not_sure.share:.1%} of all questions; look at these tiles yourself. It still "
        f"said no to {card.not_sure.miss_rate:.1%} of the tiles that show a pattern{of_worst}."
    )
