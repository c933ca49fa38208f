"""The source beside its tiles in the data report: which files were not used and why, and which masks are missing."""

import itertools

from components import report
from components.agrivision import CLASS_FOLDERS
from components.contracts import Inventory
from components.ignored import by_reason

_MAX_ROWS_SHOWN = 40


def ignored_blocks(inventory: Inventory) -> list[str]:
    """Returns the section on ignored files and missing masks: by reason, and by class and split."""
    blocks = [report.heading("Ignored files"), *_by_reason(inventory), *_by_class(inventory)]
    if inventory.missing_masks:
        rows = [
            (each.class_name, each.split or "not given", each.num_tiles, each.num_expected)
            for each in inventory.missing_masks
        ]
        blocks += [
            report.heading("Missing masks"),
            report.paragraph(
                "Tiles without a mask of a class, where other masks of the tile or of the class are there. They count "
                "as not showing the class."
            ),
            report.table(("class", "split", "tiles without", "of"), rows[:_MAX_ROWS_SHOWN]),
            *_more(len(rows)),
        ]
    return blocks


def _by_reason(inventory: Inventory) -> list[str]:
    rows = [
        (reason.text, num_files, ", ".join(examples), "yes" if reason.is_limited else "no")
        for reason, num_files, examples in by_reason(inventory.ignored)
    ]
    if not rows:
        one = "an image" if inventory.layout == CLASS_FOLDERS else "a tile"
        return [report.paragraph(f"None: every file of the source belongs to {one}.")]
    return [
        report.table(("reason", "files", "for example", "counts"), rows),
        report.paragraph(
            "Where too many are ignored that count, of the source or of one class, ingest fails "
            "(ingest_max_ignored_fraction). Folders that are hidden, empty or linked count as one."
        ),
    ]


def _by_class(inventory: Inventory) -> list[str]:
    rows = [
        (row.class_name or "any", row.split or "any", row.num_files, row.reason.text)
        for row in inventory.ignored
        if row.class_name or row.split
    ]
    if not rows:
        return []
    shown = itertools.islice(rows, _MAX_ROWS_SHOWN)
    return [report.table(("class", "split", "files", "reason"), shown), *_more(len(rows))]


def _more(num_rows: int) -> list[str]:
    return [report.paragraph(f"And {num_rows - _MAX_ROWS_SHOWN:,} more.")] if num_rows > _MAX_ROWS_SHOWN else []
