"""One stage in a process of its own, which tells its time and its peak of memory as JSON on its last line.

`python -m bench.memory_stage STAGE ROOT`: only what the stage itself needs is imported.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_FIELDS = ("VmHWM:", "RssAnon:", "RssShmem:")  # of /proc/self/status, in kB
_SAMPLE_SECONDS = 0.02
_SHARD_SIZE_MB = 2  # of tiles of 64 px, as many as 64 MB have of 512 px


def run_stage(stage: str, root: Path) -> dict[str, float]:
    """Runs a stage on the data under `root` in a new process.

    Returns:
      `seconds` of the work itself; `own_mb`, the most memory that the process itself ever had, in MB; `resident_mb`,
      the most that it had together with what it used of its program files. These lie in the system's cache, are shared
      by all processes and can be dropped at any time; TensorFlow's alone are some 350 MB.
    """
    command = [sys.executable, "-m", "bench.memory_stage", stage, str(root)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


class _Peak(threading.Thread):
    """Watches the memory of this process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._own_mb = 0.0

    def run(self) -> None:
        while True:
            self._look()
            time.sleep(_SAMPLE_SECONDS)

    def _look(self) -> dict[str, float]:
        lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
        fields = {line[0]: int(line[1]) * 1024 / 1e6 for line in lines if line[0] in _FIELDS}
        self._own_mb = max(self._own_mb, fields["RssAnon:"] + fields["RssShmem:"])
        return fields

    def result(self) -> dict[str, float]:
        # Not ru_maxrss, which a child inherits from its parent.
        return {"resident_mb": self._look()["VmHWM:"], "own_mb": self._own_mb}


def _ingest(root: Path) -> None:
    from components.ingest.inventory import build_inventory
    from components.ingest.settings import IngestSettings
    from components.progress import StepLog

    settings = IngestSettings(num_partitions=1, shard_size_mb=_SHARD_SIZE_MB)
    inventory = build_inventory(str(root / "source"), str(root), settings, StepLog("ingest"))
    inventory.write(root / "inventory.json")


def _shard(root: Path) -> None:
    from components.progress import StepLog
    from components.shard.writer import write_shards

    write_shards(str(root / "inventory.json"), "0", str(root), str(root / "receipts.json"), StepLog("shard"))


def _merge(root: Path) -> None:
    from components.progress import StepLog
    from components.shard.manifest import merge_shards

    receipts = [str(root / "receipts.json")]
    paths = (str(root / name) for name in ("manifest.json", "report.html"))
    merge_shards(str(root / "inventory.json"), receipts, str(root), *paths, StepLog("merge"))


def _read(root: Path) -> None:
    """Reads an epoch of the train split, as a worker does: index, order, whole batches."""
    from components import tfrecords
    from components.contracts import Manifest
    from components.train.order import train_plan
    from components.train.reader import Reader
    from components.train.shard_index import index_split

    manifest = Manifest.read(root / "manifest.json")
    train, sizes = manifest.splits["train"], list(manifest.tile_sizes)
    side = int(sizes[0].split("x")[0])
    index = index_split(str(root), train, len(manifest.classes), single_label=False)
    ratio = tfrecords.decoder_ratio(sizes, side)
    reader = Reader(index, manifest.bands, len(manifest.classes), side, ratio, num_threads=2)
    for _ in reader.batches(train_plan(len(index), 32, worker=0, num_workers=1, seed=0, epoch=0)):
        pass


STAGES: dict[str, Callable[[Path], Any]] = {"ingest": _ingest, "shard": _shard, "merge": _merge, "read": _read}


def main() -> None:
    stage, root = sys.argv[1:]
    peak = _Peak()
    peak.start()
    start = time.perf_counter()
    STAGES[stage](Path(root))
    print(json.dumps({"seconds": time.perf_counter() - start, **peak.result()}))


if __name__ == "__main__":
    main()
