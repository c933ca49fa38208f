"""The answers as text for people, as CSV for spreadsheets and maps, and as JSON lines for programs."""

import csv
import io
import json
from collections.abc import Sequence

from components.predict.asking import NOT_SURE, YES, ClassAnswer, TileAnswer
from components.predict.pushed_model import PushedModel
from components.printable import printable, printable_cell

_MOST_UNSURE = 3  # classes that a line names
BYTE_ORDER_MARK = "\ufeff"  # else Excel takes UTF-8 for the code page of its country


def csv_header(model: PushedModel) -> str:
    """Returns the first line of a CSV with one row for each tile.

    One row for each tile, and not for each class of it, because a map joins its tiles to rows one to one by `tile`, and
    a spreadsheet filters tiles by a column.
    """
    of_classes = [f"{name}_{kind}" for name in model.card.classes for kind in ("probability", "threshold", "answer")]
    return _line(["tile", "found", "not_sure", "problem", *of_classes, "model"])


def csv_row(answer: TileAnswer, model: PushedModel) -> str:
    """Returns a tile's line of the CSV; without answers, the columns of the classes are empty."""
    cells = [
        cell
        for each in answer.classes
        for cell in (f"{each.probability:.6f}", "" if each.threshold is None else f"{each.threshold:.6f}", each.answer)
    ]
    cells += [""] * (3 * len(model.card.classes) - len(cells))
    return _line(
        [answer.tile, _names(answer, YES), _names(answer, NOT_SURE), answer.problem, *cells, model.card.version]
    )


def _line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(map(printable_cell, cells))
    return buffer.getvalue()


def json_line(answer: TileAnswer, model: PushedModel) -> str:
    """Returns a tile's JSON object, without a newline; what is no UTF-8 in a name is escaped."""
    return json.dumps(
        {
            "tile": answer.tile.encode("utf-8", "backslashreplace").decode(),
            "problem": answer.problem.encode("utf-8", "backslashreplace").decode() or None,
            "classes": [
                {
                    "class": each.name,
                    "probability": round(each.probability, 6),
                    "threshold": each.threshold,
                    "answer": each.answer,
                    "no_below": each.no_below,
                }
                for each in answer.classes
            ],
            "model": model.card.version,
        }
    )


def text_line(answer: TileAnswer) -> str:
    """Returns a line about one of many tiles: the classes it has and may have, or the nearest that it has not."""
    tile = printable(answer.tile)
    if answer.problem:
        return f"{tile}: not answered: {printable(answer.problem)}"
    found, unsure = ([each for each in answer.classes if each.answer == kind] for kind in (YES, NOT_SURE))
    # The nearest to its threshold first; without thresholds there is always a class that is found.
    by_nearness = sorted(answer.classes, key=lambda each: (each.threshold or 0.0) - each.probability)
    parts = [_in_words(found) if found else "none"]
    if unsure:
        rest = f" and {len(unsure) - _MOST_UNSURE} more" if len(unsure) > _MOST_UNSURE else ""
        nearest = [each for each in by_nearness if each.answer == NOT_SURE][:_MOST_UNSURE]
        parts.append(f"not sure: {_in_words(nearest)}{rest}")
    elif not found:
        parts.append(f"nearest is {_in_words(by_nearness[:1])}")
    return f"{tile}: {'; '.join(parts)}"


def text_table(answer: TileAnswer) -> list[str]:
    """Returns the lines about a single tile: every class."""
    lines = [f"{'class':<22} {'probability':>11} {'threshold':>9} {'no below':>8}  answer"]
    for each in answer.classes:
        threshold, no_below = ("-" if of is None else f"{of:.3f}" for of in (each.threshold, each.no_below))
        lines.append(
            f"{printable(each.name):<22} {each.probability:>11.3f} {threshold:>9} {no_below:>8}  {each.answer}"
        )
    return lines


def _names(answer: TileAnswer, kind: str) -> str:
    return "; ".join(each.name for each in answer.classes if each.answer == kind)


def _in_words(classes: Sequence[ClassAnswer]) -> str:
    return ", ".join(
        f"{printable(each.name)} {each.probability:.3f}"
        + ("" if each.threshold is None else f" (threshold {each.threshold:.3f})")
        for each in classes
    )
