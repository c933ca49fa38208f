"""The command that shows what a pushed model comes from, and checks all of it."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec
import typer

from components.errors import DataError, SettingsError
from components.places import require_data_root
from components.printable import printable, printable_json
from pipeline.terminal import StderrLog, say

_MOST_NAMED = 3  # problems in the last line


def lineage(
    version: Annotated[str, typer.Argument(help="A model version, or a channel that names one.")] = "production",
    models_uri: Annotated[str, typer.Option(help="Where model versions are kept.")] = "",
    data_root: Annotated[
        str,
        typer.Option(help="Where the pipeline kept its data; without it, only what the card says is shown."),
    ] = "",
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Re-hash every file that the model comes from, and name each that was changed."),
    ] = False,
    openlineage: Annotated[
        str, typer.Option(help="Write the steps as OpenLineage events to this file, or send them to this http(s) URL.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a pushed model comes from: training, dataset, listing of the source, commit, image, run and cost.

    Each link is by a hash that the document above it names. With --verify, the exit code is 42 if any file was changed,
    is missing, or is one that no document names.
    """
    from components.lineage.ancestors import Problem
    from components.lineage.link_tree import link_tree
    from components.lineage.named_version import ancestors_of
    from components.lineage.verify import num_files, verify_ancestors

    if not models_uri:
        raise SettingsError("--models-uri is empty; expected the models_uri of a pipeline that pushed")
    require_data_root(data_root)
    found = ancestors_of(models_uri, version, data_root)
    problems: list[Problem] = []
    count = 0
    if verify:
        count = num_files(found)
        with _progress(count) as advance:
            problems = verify_ancestors(found, advance)
    tree = link_tree(found)
    if openlineage:
        from components.lineage.sending import send_events

        say(printable(send_events(found, openlineage)), error=True)
    if as_json:
        document: dict[str, Any] = {"lineage": tree}
        if verify:
            document |= {"files": count, "problems": [vars(problem) for problem in problems]}
        say(printable_json(msgspec.json.encode(document).decode()))
    else:
        from pipeline.commands.link_lines import show_tree

        show_tree(tree)
        for problem in problems:
            say(printable(f"{problem.what}: {problem.uri!r}{f': {problem.why}' if problem.why else ''}"))
    if problems:
        places = ", ".join(repr(problem.uri) for problem in problems[:_MOST_NAMED])
        more = f" and {len(problems) - _MOST_NAMED:,} more" if len(problems) > _MOST_NAMED else ""
        raise DataError(
            f"{len(problems):,} of the files that version {found.card.version} comes from are not as they were: "
            f"{places}{more}; restore them, or train and push again"
        )
    if verify and not as_json:
        say(f"{count:,} files are as version {found.card.version} was made from them")


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Yields what takes the number of files looked at: a bar on a terminal, a line now and then elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from components.progress import Progress as Lines

    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(StderrLog("lineage"), total, "files", interval_seconds=10.0).advance
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("files", total=total)
        yield lambda count: bar.advance(task, count)
