"""A limit on all memory of a process, by a control group, where this user may make one (as root, cgroup v1 or v2)."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
# By version: the folder below the root, and the files that limit memory and swap.
_VERSIONS = (("memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"), ("", "memory.max", "memory.swap.max"))
_TRIES = 20  # to remove a group, whose processes may still be going


@contextlib.contextmanager
def memory_cgroup(limit_bytes: int, root: Path = _ROOT) -> Iterator[tuple[str, ...] | None]:
    """Makes a control group, and yields what a command line must begin with to run in it; None if it cannot."""
    made = next((group for below, *files in _VERSIONS if (group := _make(root / below, limit_bytes, *files))), None)
    try:
        # The shell joins the group, and then becomes the command.
        yield None if made is None else ("sh", "-c", f'echo $$ > "{made}/cgroup.procs" && exec "$@"', "sh")
    finally:
        if made is not None:
            _remove(made)


def _make(parent: Path, limit_bytes: int, limit_file: str, swap_file: str) -> Path | None:
    group = parent / f"agrivision-study-{os.getpid()}"
    try:
        group.mkdir()
        if not (group / limit_file).exists():  # a folder that is no memory group
            group.rmdir()
            return None
        (group / limit_file).write_text(str(limit_bytes))
    except OSError:
        with contextlib.suppress(OSError):
            group.rmdir()
        return None
    with contextlib.suppress(OSError):  # where swap is not counted
        (group / swap_file).write_text(str(limit_bytes if "memsw" in swap_file else 0))
    return group


def _remove(group: Path) -> None:
    for _ in range(_TRIES):
        try:
            group.rmdir()
            return
        except OSError:
            time.sleep(0.1)
