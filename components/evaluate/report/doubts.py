"""The section on labels that the model doubts: how many, and pictures of the first."""

from collections.abc import Mapping

from components import report, words
from components.contracts import Doubt, LabelDoubts
from components.evaluate.report.classes import MOST_ROWS, shown_and_folded
from components.evaluate.report.findings import Findings
from components.evaluate.report.gallery import cards
from components.evaluate.report.pictures import ShownTile, pictures_of

_MOST_CLASSES = 9
_MOST_OF_CLASS = 3


def chosen_doubts(found: Findings) -> list[Doubt]:
    """Returns the doubts to show: the first of the classes that have most, the strongest first in each."""
    doubts = found.evaluation.doubts
    if doubts is None:
        return []
    most = sorted(doubts.of_class, key=lambda name: -sum(doubts.of_class[name]))[:_MOST_CLASSES]
    result = []
    for name in most:
        of_class = sorted((each for each in doubts.shown if each.class_name == name), key=lambda each: -each.doubt)
        result += of_class[:_MOST_OF_CLASS]
    return result


def doubt_blocks(found: Findings, tiles: Mapping[str, Mapping[int, ShownTile]]) -> list[str]:
    """Returns the blocks; empty for an evaluation of an earlier version. `tiles` are by split and position."""
    doubts, unit = found.evaluation.doubts, words.unit(found.manifest.layout)
    if doubts is None:
        return []
    result = [report.heading("Labels that the model doubts"), report.paragraph(_summary(doubts, unit))]
    if not doubts.num_doubts:
        return result
    ordered = sorted(doubts.of_class.items(), key=lambda each: -sum(each[1]))
    rows = [(name, sum(both), *both) for name, both in ordered if sum(both)]
    header = ["class", "doubted", "label has it", "label has it not"]
    result += shown_and_folded(
        [report.table(header, rows[:MOST_ROWS])],
        [report.table(header, rows)],
        len(rows),
        f"The {MOST_ROWS} classes with most.",
    )
    shown = chosen_doubts(found)
    numbers = {name: c for c, name in enumerate(found.manifest.classes)}
    for place, name in enumerate(dict.fromkeys(each.class_name for each in shown)):
        of_class = [each for each in shown if each.class_name == name]
        pictures = pictures_of([tiles[each.split][each.position] for each in of_class], numbers[name])
        count = f"{len(of_class)} of {sum(doubts.of_class[name]):,}"
        block = cards(pictures, [_caption(each) for each in of_class])
        result.append(report.folded(name, count, [block], is_open=not place))
    return result


def _summary(doubts: LabelDoubts, unit: str) -> str:
    if not doubts.num_doubts:
        return f"It doubts none of the labels of the {doubts.num_tiles:,} {unit}s of val and test."
    listed = f"The list of {'them' if doubts.num_listed == doubts.num_doubts else f'the first {doubts.num_listed:,}'}"
    return (
        f"It doubts {doubts.num_doubts:,} labels of the {doubts.num_tiles:,} {unit}s of val and test, on which it was "
        f"not trained. Some are its own mistakes, some are mistakes of the labels: look at them. {listed}, the "
        f"strongest doubt first, is {doubts.path} under the data root."
    )


def _caption(doubt: Doubt) -> str:
    label = "has it" if doubt.has_class else "does not have it"
    return f"The label {label}; the model says {doubt.probability:.2f}. {doubt.split}, {doubt.tile_id}"
