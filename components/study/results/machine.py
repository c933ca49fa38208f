"""Describes the machine that measures, without its name or address."""

import hashlib
import importlib.metadata
import os
import platform
import re
from pathlib import Path

import msgspec

from components.contracts.study import Machine
from components.printable import printable

UNKNOWN = "unknown"
# A kernel keeps some of the memory for itself, not the same at each boot; the machine is still the same.
_MEMORY_STEP = 1 << 26
_PROC, _ETC = Path("/proc"), Path("/etc")


def describe_machine(accelerators: tuple[str, ...] = (), proc: Path = _PROC, etc: Path = _ETC) -> Machine:
    """Returns the machine's processor, cores that this process may use, memory, and versions.

    Args:
      accelerators: Their models, which only whoever uses them can tell.
    """
    kilobytes = int(_found(proc / "meminfo", r"^MemTotal:\s*([0-9]{1,15}) kB$") or 0)
    return Machine(
        cpu=_found(proc / "cpuinfo", r"^model name\s*:\s*(.+)$") or platform.machine() or UNKNOWN,
        num_cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=round(1024 * kilobytes / _MEMORY_STEP) * _MEMORY_STEP,
        system=_found(etc / "os-release", r'^PRETTY_NAME="?([^"\n]+)"?$') or platform.system() or UNKNOWN,
        python=platform.python_version(),
        tensorflow=_tensorflow(),
        accelerators=accelerators,
    )


def accelerators_here(proc: Path = _PROC) -> tuple[str, ...]:
    """Returns the models of the GPUs that Nvidia's driver lists, without loading TensorFlow."""
    cards = sorted((proc / "driver/nvidia/gpus").glob("*/information"))
    return tuple(_found(card, r"^Model:\s*(.+)$") or UNKNOWN for card in cards)


def machine_digest(machine: Machine) -> str:
    """Returns the sha256 that names the machine in arms and witnesses."""
    return hashlib.sha256(msgspec.json.encode(machine, order="sorted")).hexdigest()


def _found(path: Path, pattern: str) -> str:
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return ""  # not Linux
    match = re.search(pattern, text, re.MULTILINE)
    return printable(match[1].strip()) if match else ""


def _tensorflow() -> str:
    for package in ("tensorflow", "tensorflow-cpu"):
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return UNKNOWN
