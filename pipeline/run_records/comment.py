"""Runs as one comment on a pull request, in GitHub's Markdown.

What comes from data or from the settings of a run, such as the name of a class, stands in the type of code: there,
GitHub makes neither links nor mentions of anything, whatever its author hoped for.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from components import words
from components.contracts import RecordedOutcome, RunRecord
from components.contracts.gate import Difference
from components.markdown import code, markdown_table

MARK = "<!-- agrivision: runs -->"  # by it, the next comment finds the one that it replaces
MOST_CHARACTERS = 60_000  # GitHub takes 65,536
_MOST_CLASSES = 40
_MOST_CELL = 200
_ADDRESS = re.compile(r"https?://[\w.:\[\]-]+(/[\w./#?=&%~-]*)?", re.ASCII)
_HEADER = ("run", "ended", "outcome", "macro F1", "against production", "time", "pod hours", "cost")


def comment_of(records: Sequence[RunRecord], going: Sequence[str]) -> str:
    """Returns the comment, which is never longer than GitHub takes.

    Args:
      records: Newest first; the first is told at length.
      going: The runs that have not ended.
    """
    blocks = [MARK, "## Training runs"]
    if not records:
        blocks.append("No run has ended yet.")
    if going:
        blocks.append(f"Still going: {', '.join(map(_code, going[:5]))}{', …' if len(going) > 5 else ''}.")
    for block in (*_newest(records[:1]), _table(records)):
        if sum(map(len, blocks)) + len(block) + 2 * len(blocks) < MOST_CHARACTERS:
            blocks.append(block)
    return "\n\n".join(blocks) + "\n"


def _newest(records: Sequence[RunRecord]) -> Iterator[str]:
    for record in records:
        yield f"**{record.outcome.value}**: {_code(record.reason or 'no reason is known', 1000)}"
        if record.links:
            yield "\n".join(f"- {_code(name)}: {_linked(link)}" for name, link in record.links.items())
        if record.gate and record.gate.class_differences:
            yield _classes(record.gate.class_differences)
        yield _steps(record)


def _table(records: Sequence[RunRecord]) -> str:
    return markdown_table(_HEADER, (_row(record) for record in records)) if records else ""


def _row(record: RunRecord) -> tuple[str, ...]:
    page = record.links.get("run", "")
    name = f"[{_code(record.run_id)}]({page})" if _ADDRESS.fullmatch(page) else _code(record.run_id)
    gate = record.gate
    return (
        name,
        record.ended.replace("T", " ").removesuffix("Z"),
        record.outcome.value if record.outcome is not RecordedOutcome.UNKNOWN else "?",
        _with_interval(record.macro_f1, record.macro_f1_interval),
        _difference(gate.difference if gate else None),
        _duration(record),
        _hours(record),
        _cost(record),
    )


def _classes(differences: Mapping[str, Difference]) -> str:
    rows = [(_code(name), _difference(each)) for name, each in [*differences.items()][:_MOST_CLASSES]]
    return markdown_table(("class", "F1 against production"), rows)


def _steps(record: RunRecord) -> str:
    rows = [
        (_code(name), _code(step.state), _seconds(step.seconds), _seconds(step.pod_seconds), _code(step.image or "-"))
        for name, step in record.steps.items()
    ]
    table = markdown_table(("step", "state", "time", "pods", "image"), rows)
    return f"<details><summary>Steps</summary>\n\n{table}\n\n</details>" if rows else ""


def _with_interval(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return "-"
    middle, low, high = difference
    return f"{middle:+.3f} [{low:+.3f}, {high:+.3f}]"


def _duration(record: RunRecord) -> str:
    known = [step.seconds for step in record.steps.values() if step.seconds is not None]
    return _seconds(sum(known)) if known else "-"


def _hours(record: RunRecord) -> str:
    steps = record.steps.values()
    seconds = sum((step.pod_seconds or 0.0) + step.worker_pod_seconds for step in steps)
    return f"{seconds / 3600:.2f}" if seconds else "-"


def _cost(record: RunRecord) -> str:
    cost = record.cost
    return f"{words.as_money(cost.cost, cost.currency)}{'' if cost.is_verified else ' ?'}" if cost else "-"


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else words.as_duration(seconds)


def _linked(link: str) -> str:
    return f"<{link}>" if _ADDRESS.fullmatch(link) else _code(link, 500)


def _code(text: str, most: int = _MOST_CELL) -> str:
    return code(text if len(text) <= most else f"{text[: most - 1]}…")
