"""The scores of a version: totals, classes, and the parts of the test split where it is weakest."""

from collections.abc import Iterator

from components.contracts import ModelCard, SliceScore
from components.markdown import code, markdown_table, plain
from components.registry.card.wording import NOTHING, as_interval, in_order, with_interval


def metric_blocks(card: ModelCard) -> Iterator[str]:
    """Yields the tables."""
    scores = card.scores
    yield "## Scores"
    yield markdown_table(
        ("score", "value"),
        [
            (title, with_interval(getattr(scores, field), scores.intervals.get(field)))
            for field, title in type(scores).titles().items()
        ],
    )
    if scores.per_class:
        yield markdown_table(("class", "F1", "precision", "recall", "tiles"), [*_classes(card)])
    yield from _dense(card)
    yield from _weakest(card)


def _classes(card: ModelCard) -> Iterator[tuple[str, ...]]:
    for name, each in in_order(card.scores.per_class, card.classes):
        values = ((getattr(each, field), each.intervals.get(field)) for field in ("f1", "precision", "recall"))
        shown = (with_interval(value, of, each.support > 0) for value, of in values)
        yield (code(name), *shown, f"{each.support:,}")


def _dense(card: ModelCard) -> Iterator[str]:
    if card.dense is None:
        return
    of = card.dense
    yield (
        f"By pixel: overlap-aware mean IoU {with_interval(of.mean_iou, of.interval)}, background included, over "
        f"{of.num_pixels:,} pixels."
    )
    rows = [(name, iou, of.class_intervals.get(name)) for name, iou in in_order(of.class_iou, card.classes)]
    yield markdown_table(
        ("class", "IoU"),
        [(code(name), NOTHING if iou is None else with_interval(iou, ends)) for name, iou, ends in rows],
    )


def _weakest(card: ModelCard) -> Iterator[str]:
    weakest = card.weakest or ((card.worst_slice,) if card.worst_slice else ())
    if not weakest:
        return
    yield "## Where it is weaker than elsewhere"
    if card.worst_slice is None:
        yield "No part of the test split is worse by more than noise. The lowest:"
    else:
        yield f"Worse by more than noise: {plain(card.worst_slice.title)}."
    yield markdown_table(("part", "macro F1", "difference", "tiles"), [_part(each) for each in weakest])


def _part(each: SliceScore) -> tuple[str, ...]:
    value = NOTHING if each.macro_f1 is None else with_interval(each.macro_f1, each.interval)
    difference = NOTHING
    if each.difference:
        mean, low, high = each.difference
        difference = f"{mean:+.3f}{as_interval((low, high), ' ({})')}"
    return plain(each.title), value, difference, f"{each.num_tiles:,}"
