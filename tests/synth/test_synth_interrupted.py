"""Writing a look-alike dataset that does not come to its end: nothing is left that could be taken for a dataset."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.agrivision import CLASS_FOLDERS
from components.synth.dataset import write_dataset

_REPOSITORY = Path(__file__).parents[2]


def test_a_run_that_fails_leaves_nothing_and_one_that_was_killed_is_cleared_away(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "layout": CLASS_FOLDERS,
        "num_tiles": 12,
        "seed": 0,
        "tile_size_px": 64,
        "num_processes": 1,
    }
    killed = tmp_path / ".tiles.tmp-99999999"  # above the largest process id of Linux
    alive = tmp_path / ".tiles.tmp-1"
    own = tmp_path / f".tiles.tmp-{os.getpid()}"  # of a run of the same id in another container
    for folder in (killed, alive, own):
        (folder / "train").mkdir(parents=True)

    def stop(num_tiles: int) -> None:
        raise KeyboardInterrupt("by hand")

    with pytest.raises(KeyboardInterrupt, match="by hand"):
        write_dataset(tmp_path / "tiles", progress=stop, **settings)
    assert list(tmp_path.iterdir()) == [alive]
    done: list[int] = []
    write_dataset(tmp_path / "tiles", progress=done.append, **settings)
    assert sum(done) == 12
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tiles.tmp-1", "tiles"]


_LONG_RUN = """
import sys
from pathlib import Path
from components.synth.dataset import write_dataset
write_dataset(Path(sys.argv[1]), layout="class-folders", num_tiles=9_000, seed=0, tile_size_px=64, num_processes=2)
"""


def test_killing_a_run_ends_its_workers_and_leaves_no_dataset(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", _LONG_RUN, str(tmp_path / "tiles")], cwd=_REPOSITORY)
    _wait_until(lambda: any(tmp_path.rglob("*.jpg")))
    workers = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    assert len(workers) >= 2
    process.kill()
    process.wait()
    _wait_until(lambda: not any(_is_running(worker) for worker in workers))
    assert [path.name for path in tmp_path.iterdir()] == [f".tiles.tmp-{process.pid}"]


def _is_running(pid: int) -> bool:
    try:
        # The state follows the command's name; Z is a process that has ended and waits to be noted by its parent.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.05)
