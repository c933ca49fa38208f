"""Runs of ingest, shard and merge in processes of their own, which die where a test wants them to.

`python doomed_runs.py` loads TensorFlow once and then forks a process for each run: a line of JSON with the runs that
start at once comes in, a line with how each of them ended goes out.
"""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
# Whatever changes a file, or asks a bucket: the moments between which a process may die.
_EVENTS = {
    "fcntl.flock", "http.client.send", "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir",
    "os.truncate", "shutil.move", "socket.connect", "tempfile.mkstemp",
}  # fmt: skip

SIZES = {"train": 12, "val": 2, "test": 2}  # tiles; 4 shards of train, as there are 4 workers, and one of each other
NUM_SHARDS = 6


class Runs:
    """The process that forks the runs."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        )

    def run(self, *requests: dict) -> list[tuple[int, int]]:
        """Starts runs at once, and returns the exit code and the number of events of each; -9 and 0 if it was killed.

        Args:
          requests: For each, the arguments of `_prepare`, and if it is to die, "die_at", the number of an event, or
            "die_after", in seconds; "environment" has variables for it.
        """
        print(json.dumps(requests), file=self._process.stdin, flush=True)
        return [tuple(ended) for ended in json.loads(self._process.stdout.readline())]

    def close(self) -> None:
        with self._process:
            self._process.stdin.close()


@contextlib.contextmanager
def forked_runs() -> Iterator[Runs]:
    runs = Runs()
    try:
        yield runs
    finally:
        runs.close()


def _prepare(source_uri: str, data_root: str, artifacts: str, num_partitions: int, num_threads: int) -> None:
    """Ingest, shard and merge, with their artifacts in a local folder."""
    from components.ingest.inventory import build_inventory
    from components.ingest.settings import IngestSettings
    from components.merge.merge import merge_shards
    from components.progress import StepLog
    from components.shard.writer import shard_partition

    settings = IngestSettings(
        classes="drydown,weed_cluster", num_partitions=num_partitions, num_workers=4, min_class_fraction=0.0
    )
    inventory = build_inventory(source_uri, data_root, settings, StepLog("ingest"))
    inventory_path = os.path.join(artifacts, "inventory")
    inventory.write(inventory_path)
    receipts = []
    for partition in inventory.partitions:
        receipts.append(os.path.join(artifacts, f"receipts-{partition.index}"))
        shard_partition(
            inventory_path, str(partition.index), data_root, receipts[-1], StepLog("shard"), num_threads=num_threads
        )
    manifest, report = os.path.join(artifacts, "manifest"), os.path.join(artifacts, "report.html")
    merge_shards(inventory_path, receipts, data_root, manifest, report, StepLog("merge"))


def _count_events(place: str, die_at: int | None) -> Iterator[int]:
    """Returns the counter of the events so far; at the one of number `die_at`, the process is killed."""
    counter = itertools.count()

    def on_event(event: str, arguments: tuple[object, ...]) -> None:
        of_interest = event in _EVENTS or (event == "open" and str(arguments[0]).startswith(place))
        if of_interest and next(counter) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(on_event)
    return counter


def _child(request: dict, report_to: int) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.environ.update(request.pop("environment", {}))
    die_at = request.pop("die_at", None)
    try:
        counter = _count_events(os.path.dirname(request["artifacts"]), die_at)
        _prepare(**request)
        os.write(report_to, str(next(counter)).encode())
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _start(request: dict) -> tuple[int, int]:
    seconds = request.pop("die_after", None)
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(request, write_end)
    os.close(write_end)
    if seconds is not None:
        threading.Thread(target=_kill_later, args=(pid, seconds), daemon=True).start()
    return pid, read_end


def _kill_later(pid: int, seconds: float) -> None:
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _wait(pid: int, read_end: int) -> tuple[int, int]:
    with os.fdopen(read_end) as answer:
        num_events = int(answer.read() or 0)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), num_events


if __name__ == "__main__":
    # No operation is run here: a fork of TensorFlow's threads would hang.
    import components.merge.merge
    import components.merge.report.data_report
    import components.shard.shard_file
    import components.shard.tile_check  # noqa: F401

    for line in sys.stdin:
        started = [_start(request) for request in json.loads(line)]
        print(json.dumps([_wait(*each) for each in started]), flush=True)
    os._exit(0)  # TensorFlow takes seconds to leave
