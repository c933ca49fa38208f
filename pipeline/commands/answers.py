"""Where the answers of `agrivision predict` go, row by row, and what the command says and ends with."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from components import storage
from components.errors import DataError, SettingsError
from components.predict import formats
from components.predict.asking import TileAnswer
from components.predict.pushed_model import PushedModel
from components.printable import printable
from components.records.source_formats import TIFF_SUFFIXES
from components.storage import disk
from pipeline.terminal import say

_STDOUT = "-"
_SUFFIX = ".csv"


def check_outputs(csv: str, as_json: bool) -> None:
    """Refuses outputs that cannot be written, before a model is asked.

    Raises:
      SettingsError: if they cannot.
    """
    if as_json and csv == _STDOUT:
        raise SettingsError("--csv - and --json both write to standard output; give --csv a file")
    if not csv or csv == _STDOUT:
        return
    if storage.is_remote(csv):
        raise SettingsError(f"--csv must be a file of this machine, or -, got {csv!r}")
    # So that a slip of the keyboard replaces no image with a table.
    if not csv.lower().endswith(_SUFFIX):
        raise SettingsError(f"--csv must end in {_SUFFIX}, or be -, got {csv!r}")
    if os.path.lexists(csv) and not os.path.isfile(csv):
        raise SettingsError(f"--csv {csv!r} is not a file; choose another name")
    folder = os.path.dirname(os.path.abspath(csv))
    if not os.path.isdir(folder):
        raise SettingsError(f"no folder {folder!r} for --csv; make it first")
    if not os.access(folder, os.W_OK):
        raise SettingsError(f"--csv cannot be written in {folder!r}: no permission")


def require_bands(model: PushedModel, by_role: Mapping[str, Sequence[str]]) -> None:
    """Refuses options that do not fit the model's bands.

    Raises:
      SettingsError: if --nir is missing or too much.
    """
    bands = ", ".join(model.card.bands)
    in_one_file = all(path.lower().endswith(TIFF_SUFFIXES) for path in by_role["rgb"])
    if model.takes_nir and by_role["rgb"] and not by_role["nir"] and not in_one_file:
        raise SettingsError(
            f"model {model.card.version} needs a NIR image in addition to RGB; its bands are {bands}; give --nir, or "
            "TIFFs of four bands"
        )
    if by_role["nir"] and not model.takes_nir:
        raise SettingsError(
            f"model {model.card.version} takes RGB only, without a NIR image; its bands are {bands}; leave --nir out"
        )


class AnswersOut:
    """Takes the answers one by one. A CSV file appears under its name when it is whole, and not before."""

    def __init__(self, model: PushedModel, num_tiles: int, csv: str, as_json: bool) -> None:
        self._model, self._num_tiles, self._csv, self._as_json = model, num_tiles, csv, as_json
        self._num_answered = self._num_problems = 0
        self._first_problem = ""
        self._context = contextlib.ExitStack()
        self._file: IO[str] | None = None
        console = Console(stderr=True)
        # Rows that appear in the same terminal show themselves how far it is.
        rows_are_seen = (not csv or csv == _STDOUT or as_json) and Console().is_terminal
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, disable=rows_are_seen or not console.is_terminal)
        self._task = self._bar.add_task("tiles", total=num_tiles)

    def __enter__(self) -> Self:
        if self._csv and self._csv != _STDOUT:
            temporary: Path = self._context.enter_context(disk.temporary_file(os.path.abspath(self._csv)))
            self._file = self._context.enter_context(temporary.open("w", encoding="utf-8", newline=""))
            self._file.write(formats.BYTE_ORDER_MARK)
        if self._csv:
            self._row(formats.csv_header(self._model))
        self._context.enter_context(self._bar)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._context.__exit__(kind, error, at)

    def add(self, answer: TileAnswer) -> None:
        """Writes one tile's answers, or why there are none."""
        if answer.problem:
            self._num_problems += 1
            # Most problems name the file.
            named = answer.problem if repr(answer.tile) in answer.problem else f"{answer.tile!r}: {answer.problem}"
            self._first_problem = self._first_problem or named
        else:
            self._num_answered += 1
        if self._csv:
            self._row(formats.csv_row(answer, self._model))
        if self._as_json:
            typer.echo(formats.json_line(answer, self._model))
        elif not self._csv and self._num_tiles > 1:
            typer.echo(formats.text_line(answer))
        elif not self._csv and not answer.problem:
            typer.echo("\n".join(formats.text_table(answer)))
        self._bar.advance(self._task)

    def _row(self, line: str) -> None:
        if self._file is None:
            typer.echo(line, nl=False)
        else:
            self._file.write(line)

    def end(self, strict: bool) -> None:
        """Says how many tiles were answered.

        Raises:
          DataError: if none was; with `strict`, if any was not.
        """
        num_tiles = self._num_answered + self._num_problems
        if num_tiles == 0:
            raise DataError("no tile was found")
        if num_tiles == 1 and self._num_problems:
            raise DataError(self._first_problem)
        if self._csv and self._csv != _STDOUT:
            say(f"wrote {num_tiles:,} rows to {printable(self._csv)}", error=self._as_json)
        if not self._num_problems:
            return
        text = f"answered {self._num_answered:,} of {num_tiles:,} tiles; {self._num_problems:,} could not be answered"
        text = f"{text}, first {self._first_problem}"
        if strict or not self._num_answered:
            raise DataError(text)
        say(printable(text), error=True)
