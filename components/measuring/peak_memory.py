"""The most memory that a process has had, and what the machine has left, as Linux tells them."""

from pathlib import Path


def own_peak_bytes(status: Path = Path("/proc/self/status")) -> int:
    """Returns the most memory that this process alone has had, with the pages of program files; 0 if not told."""
    return _told(status, "VmHWM:")


def available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Returns the memory that could be used without swapping; 0 if not told."""
    return _told(meminfo, "MemAvailable:")


def _told(path: Path, field: str) -> int:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0  # not Linux
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(field)), 0)
