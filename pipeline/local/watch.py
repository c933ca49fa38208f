"""Starts a local run as a child process, shows its progress, and collects its result."""

import contextlib
import dataclasses
import datetime
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from components import environment
from components.errors import AgrivisionError, naming_place
from components.places import require_writable
from components.progress import parse_line
from components.sweep.settings import SweepSettings
from pipeline.display import STEPS, SWEEP_STEPS, Display
from pipeline.local.before import check_before_run
from pipeline.local.run_local import PARAMETERS_FILE, SWEEP_FILE
from pipeline.local.summary import Summary, point_latest, print_summary, summarize, write_summary
from pipeline.parameters import Parameters
from pipeline.terminal import say

LOG_FILE = "log.txt"
_TAIL_LINES = 20
EXIT_INTERRUPTED = 130  # the shell's code for SIGINT


class RunFailed(AgrivisionError):
    """A step of the run failed; carries the step's exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclasses.dataclass
class LocalRun:
    """A run on this machine that has ended, or is about to.

    Attributes:
      run_dir: Its folder.
      started, ended: In UTC.
      step_seconds: See Display; the step that failed is there, too.
      failed_step: Empty if none did.
      error: Why it ended early; None if it did not.
      summary: None if it ended early.
    """

    run_dir: Path
    started: datetime.datetime
    ended: datetime.datetime
    step_seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    failed_step: str = ""
    error: Exception | None = None
    summary: Summary | None = None


def run_and_watch(
    parameters: Parameters,
    runs_dir: Path,
    console: Console,
    at_end: Callable[[LocalRun], None] = lambda _: None,
    sweep: SweepSettings | None = None,
) -> Summary:
    """Runs the DAG on this machine; returns its summary, which is also written to the run's folder.

    However it ends, `latest` in `runs_dir` then is the run's folder, and an error names the run's log.

    Args:
      at_end: Called with a run that has started, however it ended.
      sweep: What to vary, if the run is a sweep.

    Raises:
      RunFailed: if a step failed, or the run was interrupted.
      AgrivisionError: if it could not start.
    """
    check_before_run(parameters, runs_dir)
    run_dir = runs_dir.resolve() / f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"
    run_dir.mkdir(parents=True)
    with naming_place(run_dir / PARAMETERS_FILE):
        (run_dir / PARAMETERS_FILE).write_text(json.dumps(parameters.values, indent=2) + "\n")
    if sweep:
        with naming_place(run_dir / SWEEP_FILE):
            (run_dir / SWEEP_FILE).write_text(json.dumps(dataclasses.asdict(sweep), indent=2) + "\n")
    now = datetime.datetime.now(datetime.UTC)
    run = LocalRun(run_dir, started=now, ended=now)
    try:
        run.summary = _run(run, console, SWEEP_STEPS if sweep else STEPS)
        return run.summary
    except Exception as error:
        run.error = error
        raise
    finally:
        run.ended = datetime.datetime.now(datetime.UTC)
        with contextlib.suppress(OSError):  # a full disk, which the error tells
            point_latest(run_dir)
        at_end(run)


def _run(run: LocalRun, console: Console, steps: Sequence[str]) -> Summary:
    run_dir, log_path = run.run_dir, run.run_dir / LOG_FILE
    began = time.monotonic()
    # In its own session, so Ctrl-C reaches only this process, and closing the pipe ends the whole group.
    child = subprocess.Popen(
        [sys.executable, "-m", "pipeline.local.run_local", str(run_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment.child_environment({"PYTHONUNBUFFERED": "1"}),
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        # Unbuffered: on a full disk a step may still end well, and closing a buffered file would fail.
        with child.stdout, open(log_path, "wb", buffering=0) as log_file, Display(console, steps) as display:
            run.step_seconds = display.step_seconds
            for text in child.stdout:
                with contextlib.suppress(OSError):
                    log_file.write(text.encode())
                if line := parse_line(text):
                    display.show(line)
        exit_code = child.wait()
    except KeyboardInterrupt:
        raise RunFailed(
            f"stopped; run the same command again to resume; its log is {str(log_path)!r}", EXIT_INTERRUPTED
        ) from None
    finally:
        child.stdin.close()
        child.wait()
    if display.failure:
        failure = display.failure
        run.failed_step = failure.step.split(" ")[0]
        raise RunFailed(f"{failure.step} failed: {failure.text}; its log is {str(log_path)!r}", failure.exit_code)
    if exit_code:
        require_writable("runs_dir", run_dir, make=False)  # kfp itself says little of a full disk
        require_writable("TMPDIR", Path(environment.temporary_folder()), make=False)
        say("\n".join(log_path.read_text(errors="replace").splitlines()[-_TAIL_LINES:]), error=True)
        raise RunFailed(
            f"the run ended with exit code {exit_code}, after these last lines of its log, {str(log_path)!r}", 1
        )
    summary = summarize(run_dir, display.step_seconds, time.monotonic() - began)
    write_summary(run_dir, summary)
    print_summary(console, summary)
    return summary
