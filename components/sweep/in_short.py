"""The result of a sweep in a few lines of Markdown, for the page of a run."""

from components.contracts import Sweep
from components.markdown import code, markdown_table, plain, write_markdown
from components.sweep.halving import standings
from components.sweep.wording import bracketed, caution, sweep_verdict, values_text

_MOST_ROWS = 10


def write_sweep_in_short(sweep: Sweep, path: str) -> None:
    """Writes it to a local file."""
    stand = standings(sweep)
    rows = [
        (
            str(each.trial.number),
            code(values_text(each.trial.values)),
            plain(f"{each.mean:.3f} {bracketed(each.interval)}") if each.rung else "failed",
            str(sweep.rung_epochs[each.rung - 1]) if each.rung else "",
        )
        for each in stand[:_MOST_ROWS]
    ]
    left_out = f"The best {_MOST_ROWS} of {len(stand)} trials; the report has all."
    write_markdown(
        path,
        [
            "# The sweep in short",
            plain(sweep_verdict(sweep, stand)),
            markdown_table(("trial", "values", "val macro F1", "epochs"), rows),
            *([left_out] if len(stand) > _MOST_ROWS else []),
            plain(caution(sweep)),
        ],
    )
