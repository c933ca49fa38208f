"""Runs one stage in its own process, and measures its time and peak memory.

`python -m bench.memory_stage STAGE ROOT` imports only what the stage itself needs, and prints its time as last line.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_FIELDS = ("VmHWM:", "RssAnon:", "RssShmem:")  # of /proc/self/status, in kB
_SAMPLE_SECONDS = 0.002
_SHARD_SIZE_MB = 2  # holds as many tiles of 64 px as 64 MB hold of 512 px


def run_stage(stage: str, root: Path) -> dict[str, float]:
    """Runs a stage on the data under `root` in a new process.

    Returns:
      `seconds` of the work itself; `own_mb`, the peak of the process's own memory, in MB; `resident_mb`, the peak
      including the pages of its program files. These are in the system's cache, are shared by all processes and can be
      dropped at any time; TensorFlow's alone take some 350 MB.
    """
    command = [sys.executable, "-m", "bench.memory_stage", stage, str(root)]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        peaks = _watch(process)
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{text[-3000:]}")
    return {"seconds": float(text.splitlines()[-1]), **peaks}


def _watch(process: "subprocess.Popen[bytes]") -> dict[str, float]:
    """Returns the peaks of a process when it has ended; watches from outside, where its threads cause no delay."""
    # The system records the peak of both together, which a child does not inherit, but not that of own memory.
    own = resident = 0.0
    while process.poll() is None:
        with contextlib.suppress(OSError, ValueError):  # it may end meanwhile
            lines = (line.split() for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
            fields = {line[0]: int(line[1]) * 1024 / 1e6 for line in lines if line[0] in _FIELDS}
            own = max(own, fields.get("RssAnon:", 0.0) + fields.get("RssShmem:", 0.0))
            resident = max(resident, fields.get("VmHWM:", 0.0))
        time.sleep(_SAMPLE_SECONDS)
    return {"own_mb": own, "resident_mb": resident}


def _ingest(root: Path) -> None:
    from components.ingest.inventory import build_inventory
    from components.ingest.settings import IngestSettings
    from components.progress import StepLog

    settings = IngestSettings(num_workers=2, num_partitions=1, shard_size_mb=_SHARD_SIZE_MB)
    inventory = build_inventory(str(root / "source"), str(root), settings, StepLog("ingest"))
    inventory.write(root / "inventory.json")


def _shard(root: Path) -> None:
    from components.progress import StepLog
    from components.shard.writer import shard_partition

    shard_partition(str(root / "inventory.json"), "0", str(root), str(root / "receipts.json"), StepLog("shard"))


def _merge(root: Path) -> None:
    from components.merge.merge import merge_shards
    from components.progress import StepLog

    receipts = [str(root / "receipts.json")]
    paths = (str(root / name) for name in ("manifest.json", "report.html"))
    merge_shards(str(root / "inventory.json"), receipts, str(root), *paths, StepLog("merge"))


def _read(root: Path) -> None:
    """Reads an epoch of the train split like a worker: index, order, whole batches."""
    from components.contracts import Manifest
    from components.records import tfrecords
    from components.train.input.order import train_plan
    from components.train.input.reader import Reader
    from components.train.input.shard_index import index_split

    manifest = Manifest.read(root / "manifest.json")
    train, sizes = manifest.splits["train"], list(manifest.tile_sizes)
    side = int(sizes[0].split("x")[0])
    index = index_split(str(root), train, len(manifest.classes), single_label=False)
    ratio = tfrecords.decoder_ratio(sizes, side)
    reader = Reader(index, manifest.bands, len(manifest.classes), side, ratio, num_threads=2)
    for _ in reader.batches(train_plan(len(index), 32, worker=0, num_workers=1, seed=0, epoch=0)):
        pass


def _score(root: Path) -> None:
    from bench.score_stage import score_columns

    score_columns(root)


STAGES: dict[str, Callable[[Path], Any]] = {
    "ingest": _ingest,
    "shard": _shard,
    "merge": _merge,
    "read": _read,
    "score": _score,
}


def main() -> None:
    """Runs the stage and prints its seconds."""
    stage, root = sys.argv[1:]
    start = time.perf_counter()
    STAGES[stage](Path(root))
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
