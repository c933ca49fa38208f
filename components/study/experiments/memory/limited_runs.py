"""Runs one training of the memory experiment in a process, and tells how it ended."""

import dataclasses
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from components.errors import DataError
from components.printable import printable
from components.study.experiments.memory.memory_spec import BATCH_SIZE, OUT_OF_MEMORY, MemorySpec, MemoryTold
from components.study.experiments.start import program_arguments

Ending: TypeAlias = Literal["trained", "out of memory"]
_PROGRAM = "components.study.experiments.memory.memory_program"
_ABORTED, _KILLED = (-6, 134), (-9, 137)  # by signal, and as a shell tells it
# What libraries say when they cannot get memory; also when a thread gets no stack.
_NO_MEMORY = re.compile(
    r"bad_alloc|cannot allocate memory|out of memory|MemoryError|failed to allocate|resource exhausted|new thread|"
    r"pthread_create|resource temporarily unavailable",
    re.IGNORECASE,
)
_MOST_SHOWN = 300  # characters of what a process said last
_TIMEOUT_SECONDS = 3600


@dataclasses.dataclass(frozen=True)
class MemoryRun:
    """How a training ended, and what it said; None if it ran out of memory."""

    ending: Ending
    told: MemoryTold | None


def run_limited(spec: MemorySpec, spec_path: Path, before: Sequence[str] = ()) -> MemoryRun:
    """Trains in a new process.

    Args:
      spec_path: Where to write the spec.
      before: What the command line begins with, to put the process under another limit.

    Raises:
      DataError: if it ends for another reason than memory, or trained less than it was told to.
    """
    spec_path.parent.mkdir(parents=True, exist_ok=True)
    spec_path.write_bytes(msgspec.json.encode(spec))
    command = [*before, sys.executable, *program_arguments(_PROGRAM, str(spec_path.resolve()))]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_SECONDS)
    name = f"the training of {spec.num_tiles:,} tiles by {spec.way}"
    is_limited = bool(spec.data_limit_bytes or before)
    if ending_of(name, done.returncode, done.stderr, is_limited=is_limited) == "out of memory":
        return MemoryRun("out of memory", None)
    told = what_was_told(name, done.stdout)
    if told.num_updates != spec.num_tiles // BATCH_SIZE:
        raise DataError(f"{name} must take {spec.num_tiles // BATCH_SIZE:,} steps, took {told.num_updates:,}")
    return MemoryRun("trained", told)


def what_was_told(name: str, output: str) -> MemoryTold:
    """Returns what a process said in its last line.

    Raises:
      DataError: if it said nothing, or something else.
    """
    last = (output.splitlines() or [""])[-1]
    try:
        return msgspec.json.decode(last, type=MemoryTold)
    except msgspec.MsgspecError as error:
        shown = printable(last[:_MOST_SHOWN])
        raise DataError(f"{name} must end with what it has to say, but its last line was {shown!r}") from error


def ending_of(name: str, code: int, said: str, *, is_limited: bool) -> Ending:
    """Returns how a process ended, by its exit code and what it said.

    Raises:
      DataError: if it failed, and not because of memory: such a failure would prove nothing.
    """
    if code == 0:
        return "trained"
    ran_out = code == OUT_OF_MEMORY or (code in (1, *_ABORTED) and _NO_MEMORY.search(said) is not None)
    if ran_out or (is_limited and code in _KILLED):
        return "out of memory"
    last = printable((said.strip().splitlines() or ["nothing"])[-1][:_MOST_SHOWN])
    raise DataError(f"{name} must end or run out of memory, but ended with exit code {code}; it said last: {last}")
