"""Markdown that Kubeflow's page shows beside a step: short, and nothing that text from the data can turn into more."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from components.errors import naming_place
from components.printable import printable

# A column of a table ends here.
_BAR = re.compile(r"(?<!\\)\|")

# What Markdown, or the page's reading of it, takes for more than itself: signs, and what some readers make links of.
_SIGNS = re.compile(r"([\\`*_{}\[\]()#+!|~<>&-]|:(?=//)|(?<=www)\.)", re.IGNORECASE)


def plain(text: str) -> str:
    """Returns a text that is shown as it is, on one line."""
    return _SIGNS.sub(r"\\\1", printable(" ".join(text.split())))


def code(text: str) -> str:
    """Returns a name or a value, in the type of code; its backticks become quotes."""
    return f"`{printable(' '.join(text.split())).replace('`', chr(39))}`" if text.strip() else "none"


def bullets(entries: Iterable[tuple[str, str]]) -> str:
    """Returns a list of a name and what is said of it, which is Markdown already."""
    return "\n".join(f"- **{plain(name)}**: {said}" for name, said in entries)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table of cells that are Markdown already; the columns after the first are aligned to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    lines = (" | ".join(_BAR.sub(r"\|", cell) for cell in row) for row in (header, rule, *rows))
    return "\n".join(f"| {line} |" for line in lines)


def write_markdown(path: str | Path, blocks: Iterable[str]) -> None:
    """Writes blocks to a local file, e.g. a KFP Markdown artifact."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with naming_place(target):
        target.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
