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
_SAMPLES_OF_ONE_FAMILY = 100  # after which it is seen whether there are other children
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
    """Returns the peaks of a process and its children, watched from outside, where its threads cause no delay."""
    # The system records the peak of both together, which a child does not inherit, but not that of own memory.
    own = resident = 0.0
    num_samples, family = 0, [process.pid]
    while process.poll() is None:
        if num_samples % _SAMPLES_OF_ONE_FAMILY == 0:
            family = _with_children(process.pid)
        num_samples += 1
        of_all = [_memory(pid) for pid in family]
        own = max(own, sum(each[0] for each in of_all))
        resident = max(resident, sum(each[1] for each in of_all))
        time.sleep(_SAMPLE_SECONDS)
    return {"own_mb": own, "resident_mb": resident}


def _memory(pid: int) -> tuple[float, float]:
    """Returns a process's own memory and its peak with program files, MB; 0 if it has ended meanwhile."""
    with contextlib.suppress(OSError, ValueError):
        lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        fields = {line[0]: int(line[1]) * 1024 / 1e6 for line in lines if line[0] in _FIELDS}
        return fields.get("RssAnon:", 0.0) + fields.get("RssShmem:", 0.0), fields.get("VmHWM:", 0.0)
    return 0.0, 0.0


def _with_children(pid: int) -> list[int]:
    """Returns a process and those that it and its children started."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):  # it may end meanwhile
            # After the name, which may hold anything: the state, then the parent.
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for each in found:  # grows meanwhile
        found += [child for child, parent in parents.items() if parent == each]
    return found


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


def _maps(root: Path) -> None:
    """Makes a map, and reads it as whoever writes its files does."""
    from components.maps.map_job import RasterJob
    from components.maps.map_model import MapModel
    from components.maps.raster_file import open_raster
    from components.maps.score import score_rows
    from components.maps.work_folder import WorkFolder
    from components.predict.pushed_model import find_model
    from components.progress import StepLog

    source, (version,) = root / "source.tif", (root / "models").glob("*/card.json")
    with MapModel(find_model(str(version))) as model, open_raster(source, str(source), "", 4, 65_535) as raster:
        job = RasterJob(raster, model, str(source), "0" * 64, 512, 0.5)
        work = WorkFolder(str(root / "maps"), job.plan)
        score_rows(job, work, model, range(len(job.plan.parts)), StepLog("score"))
        reader = work.finish(job.num_bands)
        assert sum(len(strip.valid) for strip in reader.strips()) == reader.grid.rows
        assert reader.quicklook.valid.all()


STAGES: dict[str, Callable[[Path], Any]] = {
    "ingest": _ingest,
    "shard": _shard,
    "merge": _merge,
    "read": _read,
    "score": _score,
    "maps": _maps,
}


def main() -> None:
    """Runs the stage and prints its seconds."""
    stage, root = sys.argv[1:]
    start = time.perf_counter()
    STAGES[stage](Path(root))
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
