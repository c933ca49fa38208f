"""Self-contained HTML reports: no network, no script, readable in a frame 400 pixels wide and on a phone.

A step builds a list of blocks (`heading`, `subheading`, `paragraph`, `table`, `heat_table`, `bars`, `legend`, `figure`,
`image`, `gallery`, `folded`) and writes them with `write_page`. All of them take text as it comes from the data: none
of it can become markup, mathematics, or what steers the text around it.

Names of classes and tiles are always text of the page, which the browser shapes in any script and direction; figures
hold numbers and our own words only, because matplotlib draws boxes for scripts that its font lacks.
"""

import base64
import html
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.errors import naming_place
from components.printable import printable
from components.report_style import STYLE
from components.words import Number

# What stands in a column of numbers: a number with its sign and percent, a range, or several with a sign between them.
_NUMERIC = re.compile(r"[-+<>~]? ?\d[\d.,]*( ?%)?( ?(±|/|to|–|-) ?[-+]?\d[\d.,]*( ?%)?)*|[-–]?")
_TEXT = ' class="text"'
_MOST_HEAT_COLUMNS = 11  # side by side on a narrow page


def escaped(text: str) -> str:
    """Returns a text as HTML that shows it, with escapes for what is not printable."""
    return html.escape(printable(text))


# Hebrew, Arabic, Syriac, Thaana, N'Ko and their neighbours; then their presentation forms and the historical scripts.
_RIGHT_TO_LEFT = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
# Where a name of several words may break: behind "_", and before a hump of WaterStanding; a browser knows "-" and " ".
_BREAKS = re.compile(r"(?<=[^\W_]_)(?=[^\W\d_])|(?<=[a-z]{3})(?=[A-Z][a-z])")
_RIGHT_TO_LEFT_RUN = re.compile(f"{_RIGHT_TO_LEFT}+(?:[ _-]?(?:{_RIGHT_TO_LEFT}|[0-9])+)*")


def inline(text: str) -> str:
    """Returns a text as the content of an element: escaped, with places to break names, and directions kept apart.

    Otherwise a name in Arabic would swap places with the numbers beside it, and a narrow page would break
    nutrient_deficiency in the middle of a word. The places are not copied with a name, and a search passes over them.
    """
    return _BREAKS.sub("<wbr>", _RIGHT_TO_LEFT_RUN.sub(lambda run: f"<bdi>{run[0]}</bdi>", escaped(text)))


def heading(text: str) -> str:
    """Returns the heading of a section."""
    return f"<h2>{inline(text)}</h2>"


def subheading(text: str, note: str = "") -> str:
    """Returns a small heading, followed by a remark in smaller type."""
    return f"<h3>{inline(text)}" + (f" <small>{inline(note)}</small>" if note else "") + "</h3>"


def paragraph(text: str) -> str:
    """Returns a paragraph of plain text."""
    return f"<p>{inline(text)}</p>"


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, stacked: bool = False) -> str:
    """Returns a table. The first column holds names; columns of numbers are right-aligned, and all cells can wrap.

    Args:
      rows: A cell is a value, or a value and a remark that stands below it in small type.
      stacked: Whether each name has a line for itself where the page is narrow, for up to eight columns of numbers.
    """
    rows = [list(row) for row in rows]
    # A heading is aligned like its column: left for text, right for numbers.
    is_text = [not all(map(_is_numeric, column)) for column in zip(*rows, strict=True)] or [True] * len(header)

    def cells(row: Sequence[object]) -> str:
        parts = []
        for i, (cell, text) in enumerate(zip(row, is_text, strict=True)):
            value, remark = cell if isinstance(cell, tuple) else (cell, "")
            shown = f"{value:.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value
            below = f"<small>{inline(remark)}</small>" if remark else ""
            parts.append(f"<td{_TEXT if i and text else ''}>{inline(str(shown))}{below}</td>")
        return f"<tr>{''.join(parts)}</tr>"

    heads = [f"<th{_TEXT if text else ''}>{inline(name)}</th>" for name, text in zip(header, is_text, strict=True)]
    body = "".join(map(cells, rows))
    widths = " ".join("5fr" if any(isinstance(row[i], tuple) for row in rows) else "4fr" for i in range(1, len(header)))
    kind = f' class="stacked" style="--columns:{widths}"' if stacked else ""
    return (
        f'<div class="scroll"><table{kind}><thead><tr>{"".join(heads)}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _is_numeric(value: object) -> bool:
    value = value[0] if isinstance(value, tuple) else value
    return isinstance(value, int | float | Number) or bool(_NUMERIC.fullmatch(str(value)))


def heat_table(header: Sequence[str], rows: Iterable[tuple[str, Sequence[tuple[str, float]]]]) -> str:
    """Returns a table of numbers, each cell shaded by its strength; vertical column names keep it narrow.

    Where there are more columns than a narrow page has room for, several tables follow each other.

    Args:
      header: A name for each column, including the first, which names the rows.
      rows: A name, and for each further column a text and its strength, 0 (white) to 1 (dark).
    """
    rows = list(rows)
    num_columns = len(header) - 1
    num_tables = max(1, -(-num_columns // _MOST_HEAT_COLUMNS))
    size = max(1, -(-num_columns // num_tables))
    return "".join(
        _heat_table((header[0], *header[1:][start : start + size]), [(n, c[start : start + size]) for n, c in rows])
        for start in range(0, max(num_columns, 1), size)
    )


def _heat_table(header: Sequence[str], rows: Iterable[tuple[str, Sequence[tuple[str, float]]]]) -> str:
    def cell(text: str, strength: float) -> str:
        share = min(max(strength, 0.0), 1.0)
        ground = [round(255 + share * (full - 255)) for full in (46, 107, 74)]
        ink = "#fff" if share > 0.75 else "#1c2420"
        return f'<td style="background:rgb({",".join(map(str, ground))});color:{ink}">{inline(text)}</td>'

    heads = "".join(f"<th><span>{inline(name)}</span></th>" for name in header[1:])
    body = "".join(f"<tr><td>{inline(name)}</td>{''.join(cell(*each) for each in cells)}</tr>" for name, cells in rows)
    return (
        f'<div class="scroll"><table class="heat"><thead><tr><th>{inline(header[0])}</th>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def side_by_side(*blocks: str) -> str:
    """Returns a figure with its legend beside it, or below it where there is no room."""
    return f'<div class="beside">{"".join(blocks)}</div>'


def bars(rows: Sequence[tuple[str, Sequence[int]]], colours: Sequence[str]) -> str:
    """Returns a bar for each name, of one part for each count, with the counts' sum at its end."""
    longest = max((sum(counts) for _, counts in rows), default=0) or 1
    body = ""
    for name, counts in rows:
        parts = "".join(
            f'<i style="width:{100 * count / longest:.2f}%;background:{colour}"></i>'
            for count, colour in zip(counts, colours, strict=True)
        )
        body += f"<tr><th>{inline(name)}</th><td><div>{parts}</div></td><td>{sum(counts):,}</td></tr>"
    return f'<table class="bars"><tbody>{body}</tbody></table>'


def folded(title: str, note: str, blocks: Iterable[str], *, is_open: bool = False) -> str:
    """Returns blocks below a title that opens and closes them."""
    opened = " open" if is_open else ""
    return (
        f"<details{opened}><summary>{inline(title)} <small>{inline(note)}</small></summary>\n"
        + "\n".join(blocks)
        + "</details>"
    )


def legend(entries: Iterable[tuple[str, str]]) -> str:
    """Returns a line of names, each after a square of its colour; an entry is (colour as "#rrggbb", name)."""
    items = (f'<span><i style="background:{colour}"></i>{inline(name)}</span>' for colour, name in entries)
    return f'<p class="legend">{" ".join(items)}</p>'


def figure(plot: Any, caption: str) -> str:
    """Returns a matplotlib figure as an inline SVG image, and closes it.

    Make figures with `matplotlib.figure.Figure`, 5 inches wide, which is a narrow page: pyplot keeps global state.
    """
    import matplotlib

    buffer = io.BytesIO()
    # The ids inside an SVG are random unless salted; equal data must give equal bytes.
    # Between two "$", matplotlib reads mathematics, and fails where it is none; names may hold that sign, too.
    with matplotlib.rc_context({"svg.hashsalt": "agrivision", "text.parse_math": False}):
        _make_literal(plot)
        plot.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    return _picture("svg+xml", buffer.getvalue(), caption)


def _make_literal(plot: Any) -> None:
    """Makes a figure show its texts and the names of its ticks as they are, with escapes for what is not printable."""
    from matplotlib.text import Text
    from matplotlib.ticker import FuncFormatter

    for text in plot.findobj(Text):
        text.set_parse_math(False)
        text.set_text(printable(text.get_text()))
    for axis in (axis for axes in plot.axes for axis in (axes.xaxis, axes.yaxis)):
        formatter = axis.get_major_formatter()
        if isinstance(formatter, FuncFormatter):  # ticks that were given names
            axis.set_major_formatter(FuncFormatter(lambda *place, named=formatter: printable(named(*place))))


def image(pixels: NDArray[np.uint8], caption: str, quality: int = 85) -> str:
    """Returns pixels, uint8 [H, W, 3] or [H, W], as an inline JPEG image."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return _picture("jpeg", buffer.getvalue(), caption)


def gallery(images: Iterable[tuple[NDArray[np.uint8], str]], quality: int = 85, *, wide: bool = False) -> str:
    """Returns pictures (pixels, caption) in a grid: 3 per row at 480 pixels, 6 on a wide page; if `wide`, 2 at most."""
    kind = "gallery wide" if wide else "gallery"
    return f'<div class="{kind}">{"".join(image(pixels, caption, quality) for pixels, caption in images)}</div>'


def _picture(kind: str, content: bytes, caption: str) -> str:
    data = base64.b64encode(content).decode()
    picture = f'<img alt="{escaped(caption)}" src="data:image/{kind};base64,{data}">'
    return f"<figure>{picture}<figcaption>{inline(caption)}</figcaption></figure>"


def page(title: str, blocks: Iterable[str], style: str = "") -> str:
    """Returns the whole page; `style` are CSS rules of its own."""
    name = escaped(title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}</title><style>{STYLE}{style}</style></head>\n<body><h1>{name}</h1>\n"
        + "\n".join(blocks)
        + "\n</body></html>\n"
    )


def write_page(path: str | Path, title: str, blocks: Iterable[str], style: str = "") -> None:
    """Writes the page to a local file, e.g. a KFP HTML artifact."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with naming_place(target):
        target.write_text(page(title, blocks, style), encoding="utf-8")
