"""How far a version's answers can be trusted: calibration, thresholds, and images that are not as they should be."""

from collections.abc import Iterator

from components.contracts import ModelCard
from components.markdown import code, markdown_table, plain
from components.registry.card.wording import NOTHING, as_interval, in_order

_SINGLE_LABEL = "single_label"


def trust_blocks(card: ModelCard) -> Iterator[str]:
    """Yields the tables."""
    yield from _calibration(card)
    yield from _thresholds(card)
    yield from _robustness(card)


def _calibration(card: ModelCard) -> Iterator[str]:
    of = card.reliability
    if of is None:
        return
    yield "## Calibration"
    yield (
        f"Expected calibration error {of.ece:.3f}, before calibration {of.ece_before:.3f}; Brier score {of.brier:.3f}, "
        f"before {of.brier_before:.3f}. Measured on test, fitted on val."
    )
    yield markdown_table(
        ("class", "ECE", "before", "Brier", "before"),
        [
            (code(name), *(f"{value:.3f}" for value in (each.ece, each.ece_before, each.brier, each.brier_before)))
            for name, each in in_order(of.per_class, card.classes)
        ],
    )


def _thresholds(card: ModelCard) -> Iterator[str]:
    yield "## Thresholds"
    if card.label_mode == _SINGLE_LABEL:
        yield "The most probable class is the answer; there are no thresholds."
        return
    lows = card.not_sure.low if card.not_sure else (None,) * len(card.classes)
    yield "Chosen on val. Between the two probabilities the answer is not sure."
    yield markdown_table(
        ("class", "yes from", "no below"),
        [
            (code(name), f"{threshold:.3f}", NOTHING if low is None else f"{min(low, threshold):.3f}")
            for name, threshold, low in zip(card.classes, card.thresholds, lows, strict=False)
        ],
    )


def _robustness(card: ModelCard) -> Iterator[str]:
    of = card.robustness
    if of is None:
        return
    yield "## Images that are not as they should be"
    if not of.rows:
        yield f"Not measured: {plain(of.note or 'the evaluation left it out')}."
        return
    yield f"Macro F1 {of.macro_f1:.3f} on {of.num_tiles:,} unchanged tiles, and the change on the same tiles:"
    yield markdown_table(
        ("change", "macro F1", "difference", "other answers"),
        [
            (
                plain(f"{row.change}: {row.meaning}" if row.meaning else row.change),
                f"{row.macro_f1:.3f}",
                f"{row.difference[0]:+.3f}{as_interval(row.difference[1:], ' ({})')}",
                f"{row.changed_decisions:.1%}",
            )
            for row in of.rows
        ],
    )
