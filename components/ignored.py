"""Why files of a source are left out, and how many: nothing that lies in a source may vanish in silence.

Each file is used, or rejected with its tile, or counted here under one reason. Only counts and a few names are kept, so
ten million files of a class take no more memory than ten.
"""

import bisect
import dataclasses
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from components.contracts import IgnoredFiles, WhyIgnored
from components.printable import printable
from components.safe_path import path_fault

NUM_EXAMPLES = 3
_MOST_ROWS = 1000  # of (reason, class, split); a source may have a class per folder, and a manifest stays small
_MOST_SHOWN = 200  # characters of a name that is no safe path


class LeftOut(NamedTuple):
    """Something that a listing meets and that is no file to read."""

    path: str
    reason: WhyIgnored


@dataclasses.dataclass
class _Count:
    num_files: int = 0
    examples: list[str] = dataclasses.field(default_factory=list)


class IgnoredTally:
    """Counts what is left out by (reason, class, split), with the first names of each; in any order of adding."""

    def __init__(self) -> None:
        self._counts: dict[tuple[WhyIgnored, str, str], _Count] = {}

    def add(self, reason: WhyIgnored, class_name: str, split: str, path: str, num_files: int = 1) -> None:
        """Counts files; `class_name` and `split` are empty where they are unknown."""
        count = self._counts.get((reason, class_name, split))
        if count is None:
            count = self._counts[reason, class_name, split] = _Count()
        count.num_files += num_files
        if len(count.examples) < NUM_EXAMPLES or path < count.examples[-1]:
            bisect.insort(count.examples, path)
            del count.examples[NUM_EXAMPLES:]

    def merge(self, other: "IgnoredTally") -> None:
        """Adds what another tally counted."""
        for (reason, class_name, split), count in other._counts.items():
            self.add(reason, class_name, split, count.examples[0], count.num_files)
            for path in count.examples[1:]:
                self.add(reason, class_name, split, path, 0)

    def rows(self) -> tuple[IgnoredFiles, ...]:
        """Returns the counts, sorted by reason, class and split, which are as many as the source has classes."""
        return tuple(
            IgnoredFiles(
                reason=reason,
                class_name=class_name,
                split=split,
                num_files=count.num_files,
                examples=tuple(_name(path) for path in count.examples),
            )
            for (reason, class_name, split), count in sorted(
                self._counts.items(), key=lambda item: (_ORDER[item[0][0]], *item[0][1:])
            )
        )


def few_rows(rows: Iterable[IgnoredFiles]) -> tuple[IgnoredFiles, ...]:
    """Returns sorted rows as a document holds them: the first thousand, and the rest by reason alone."""
    few = IgnoredTally()
    for row_number, row in enumerate(rows):
        class_name, split = (row.class_name, row.split) if row_number < _MOST_ROWS else ("", "")
        for number, example in enumerate(row.examples):
            few.add(row.reason, class_name, split, example, 0 if number else row.num_files)
    return few.rows()


_ORDER = {reason: number for number, reason in enumerate(WhyIgnored)}


def _name(path: str) -> str:
    """Returns a path as a document can hold it: what is hidden may have any name, even one that is not UTF-8."""
    return printable(path)[:_MOST_SHOWN] if path_fault(path) else path


def by_reason(rows: Iterable[IgnoredFiles]) -> Iterator[tuple[WhyIgnored, int, list[str]]]:
    """Yields each reason that occurs, in the order of WhyIgnored, with its number of files and the first names."""
    total = IgnoredTally()
    for row in rows:
        for number, example in enumerate(row.examples):
            total.add(row.reason, "", "", example, 0 if number else row.num_files)
    for row in total.rows():
        yield row.reason, row.num_files, list(row.examples)


def ignored_line(rows: Iterable[IgnoredFiles]) -> str:
    """Returns one line for the log; empty if there is nothing to say."""
    parts = [
        f"{num_files:,} x {reason.text} (e.g. {examples[0]})"
        for reason, num_files, examples in by_reason(rows)
        if reason.is_loud
    ]
    return f"ignored: {'; '.join(parts)}" if parts else ""


# What operating systems and their programs leave in folders, in lower case. Other names with a dot in front are hidden.
_LITTER = frozenset(
    {
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin", "system volume information"),
        *("__macosx", ".ds_store", ".appledouble", ".apdisk", ".localized", ".spotlight-v100", ".fseventsd"),
        *(".documentrevisions-v100", ".temporaryitems", ".trashes"),
        *(".directory", ".ipynb_checkpoints", "@eadir", "lost+found"),
    }
)


def left_out_name(name: str) -> WhyIgnored | None:
    """Returns why a file or folder of this name is left out wherever it lies; None if it is not."""
    if name.startswith("."):
        return WhyIgnored.LITTER if name.startswith("._") or name.lower() in _LITTER else WhyIgnored.HIDDEN
    return WhyIgnored.LITTER if name.lower() in _LITTER else None


def left_out_path(path: str) -> WhyIgnored | None:
    """Returns why an object of this path is left out: for the name of one of its folders, or its own."""
    return next(filter(None, map(left_out_name, path.split("/"))), None)
