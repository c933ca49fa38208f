"""The command that runs the study on this machine."""

import functools
from pathlib import Path
from typing import Annotated

import typer

from components.printable import printable
from pipeline.terminal import say, say_markdown


def study(
    preset: Annotated[str, typer.Option(help="Size of the study: ci (minutes), laptop (an hour) or gpu.")] = "ci",
    out: Annotated[Path, typer.Option(help="Folder for the result, its page, and what a later run needs.")] = Path(
        "study"
    ),
    only: Annotated[list[str] | None, typer.Option(help="Name of an experiment to run; may be repeated.")] = None,
) -> None:
    """Run the study on this machine: experiments on formats, memory, parallel SGD, batch size and scale.

    Each claim of the original study gets a verdict, in study.json and study.html. The experiments run one after the
    other; use the machine for nothing else meanwhile. A second run, even after a crash, repeats only what is missing.
    Two at once in one folder are refused.
    A refuted claim is a result, not an error: the exit code is still 0.
    """
    from components.study.claims.claims_file import read_claims
    from components.study.results.machine import accelerators_here, describe_machine
    from components.study.results.study_in_short import study_in_short
    from components.study.running.one_study import only_study_in, remove_unfinished
    from components.study.running.presets import preset_of
    from components.study.running.registry import chosen_experiments, known_experiments
    from components.study.running.run_study import Study, run_study
    from components.study.running.write_study import write_study

    claims = read_claims()
    chosen = chosen_experiments(known_experiments(), only or ())
    this = Study(
        claims=claims,
        preset=preset_of(preset),
        machine=describe_machine(accelerators_here()),
        kept_uri=str(out / "parts"),
        folder=out / "scratch",
        say=functools.partial(say, error=True),
    )
    with only_study_in(out):
        remove_unfinished(this.folder)
        result = run_study(this, chosen)
        document, page = write_study(result, claims, out)
    say_markdown(study_in_short(result, claims))
    say(f"{printable(str(document))}, {printable(str(page))}")
