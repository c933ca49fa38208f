"""Tables that a command measures, and their place in a page of docs/."""

import re
from collections.abc import Sequence
from pathlib import Path


def share(count: int, total: int) -> str:
    """Returns a share in per cent, with one decimal."""
    return f"{100 * count / total:.1f} %"


def markdown_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table with its title; all columns but the first are aligned right."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] + ["---:"] * (len(header) - 1), *rows)]
    return f"{title}:\n\n" + "\n".join(lines)


def write_between(page: Path, command: str, content: str) -> bool:
    """Replaces what a page has between `<!-- measured: <command> -->` and `<!-- end -->`; tells whether it has that."""
    start = f"<!-- measured: {command} -->\n"
    text, count = re.subn(
        rf"({re.escape(start)}).*?(<!-- end -->)",
        lambda match: f"{match[1]}\n{content}\n\n{match[2]}",
        page.read_text(),
        flags=re.DOTALL,
    )
    if count:
        page.write_text(text)
    return bool(count)
