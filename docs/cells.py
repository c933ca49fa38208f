"""Text, code and tables as Markdown that a site shows as they are."""

import html
import re
from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table; cells are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(plain: str) -> str:
    """Returns plain text as code, also within a table."""
    return f"<code>{html.escape(plain, quote=False).replace('|', '&#124;')}</code>"


def text(plain: str) -> str:
    """Returns plain text as Markdown; what is between backticks stays code."""
    parts = re.split(r"`([^`]*)`", plain)
    return "".join(
        code(part) if number % 2 else re.sub(r"([*\[\]|\\])", r"\\\1", html.escape(part, quote=False))
        for number, part in enumerate(parts)
    )


def unmarked(plain: str) -> str:
    """Returns a help text without Rich's markup."""
    return re.sub(r"\[/?bold\]", "", plain)
