"""Shows a run's steps while they run: a live table in a terminal, plain lines anywhere else."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from components.progress import Line

STEPS = ("check", "ingest", "shard", "merge", "train", "evaluate", "gate", "push")
SWEEP_STEPS = ("check", "propose", "ingest", "shard", "merge", "trial", "keep", "choose", *STEPS[-4:])


class Display:
    """Takes the steps' log lines as they arrive.

    Attributes:
      step_seconds: Wall time by step, during which at least one task of it ran.
      failure: The first "failed" line, if any.
    """

    def __init__(self, console: Console, steps: Sequence[str] = STEPS) -> None:
        """Shows no step yet.

        Args:
          steps: Those that the table has a row for, in their order.
        """
        self.step_seconds: dict[str, float] = {}
        self.failure: Line | None = None
        self._console, self._steps = console, steps
        self._began = time.monotonic()
        self._started: dict[str, float] = {}
        self._running: dict[str, set[str]] = {}
        self._texts: dict[str, dict[str, str]] = {}
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=4) if self._is_live else None

    @property
    def _is_live(self) -> bool:
        return self._console.is_terminal and sys.stdout.isatty()

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def show(self, line: Line) -> None:
        """Records a step's line and shows it."""
        step = line.step.split(" ")[0]
        now = time.monotonic()
        running = self._running.setdefault(step, set())
        self._texts.setdefault(step, {})[line.step] = line.text
        if line.kind == "started":
            # Not with its first line of any kind: the workers of a trial write as those of the later train step.
            if not running:
                self._started[step] = now
            running.add(line.step)
        if line.kind in ("done", "failed"):
            running.discard(line.step)
            if not running:
                seconds = self.step_seconds.get(step, 0.0) + max(now - self._started.get(step, now), line.seconds)
                self.step_seconds[step] = round(seconds, 1)
        if line.kind == "failed" and self.failure is None:
            self.failure = line
        if not self._live:
            text = {"done": f"done in {line.seconds:.1f} s: {line.text}", "failed": f"failed: {line.text}"}
            # Not console.print, which wraps: a log line should stay one line.
            shown = f"[{now - self._began:6.1f} s] {line.step:<9} {text.get(line.kind, line.text)}"
            print(shown, file=self._console.file, flush=True)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for step in self._steps:
            running, texts = self._running.get(step, set()), self._texts.get(step, {})
            if self.failure and self.failure.step.split(" ")[0] == step:
                mark: Text | Spinner = Text("✗", "bold red")
            elif running:
                mark = Spinner("dots", style="cyan")
            else:
                mark = Text("✓", "green") if step in self.step_seconds else Text("·", "dim")
            if running:
                seconds = f"{time.monotonic() - self._started[step]:.0f} s"
            else:
                seconds = f"{self.step_seconds[step]:.1f} s" if step in self.step_seconds else ""
            # The line of a single task, or the named lines of all parallel tasks.
            text = "; ".join(f"{name}: {t}" if len(texts) > 1 else t for name, t in sorted(texts.items()))
            style = "" if step in self._texts else "dim"
            table.add_row(
                mark, Text(step, style), Text(seconds, "dim", justify="right"), Text(text, overflow="ellipsis")
            )
        return table
