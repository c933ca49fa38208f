"""Writes text to the terminal. What is in it from data, such as a class's name, cannot steer the terminal."""

import sys
from collections.abc import Iterable

import typer

from components.printable import printable
from components.progress import StepLog, one_line


def say(text: str, *, error: bool = False) -> None:
    """Writes a text of one or more lines, each escaped where it is not printable.

    Args:
      text: The lines; a name in it that may hold a newline must be escaped by itself before.
      error: Whether to write to standard error.
    """
    typer.echo("\n".join(printable(line) for line in text.split("\n")), err=error)


class StderrLog(StepLog):
    """Progress on standard error, since standard output is for the answer."""

    def line(self, text: str) -> None:
        """See StepLog."""
        say(f"{self.step} | {one_line(text)}", error=True)


def say_markdown(blocks: Iterable[str]) -> None:
    """Writes blocks of Markdown: laid out in a terminal, as they are where they go to a file or a program."""
    text = "\n\n".join(blocks)
    if not sys.stdout.isatty():
        say(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    printed = "\n".join(printable(line) for line in text.split("\n"))
    Console().print(Markdown(printed, hyperlinks=False))
