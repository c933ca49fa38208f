"""Memory: whether it stays flat as the number of tiles grows tenfold, and how much ten million tiles take."""

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.memory_stage import run_stage
from bench.pairs import BELOW, REPORTED, Row, summarise
from bench.run_settings import Setup

_STAGES = ("shard", "merge", "read")
_MAX_PEAK_MB = 600.0
_NUM_DRAWN = 300
_DRAWN_SIZE_PX = 64  # small, so that the full count takes minutes


def memory_growth(setup: Setup, target: float) -> Row:
    """Peak memory of shard, merge and reader at two numbers of tiles; the stage that grows most counts."""
    from bench.dataset import make_source
    from bench.repeated_tiles import repeat_tiles

    found = []
    drawn = make_source(setup.folder, _NUM_DRAWN, _DRAWN_SIZE_PX)
    for num_tiles in setup.memory_tiles:
        with _scratch(setup.folder) as root:
            repeat_tiles(drawn, root / "source", -(-num_tiles // _NUM_DRAWN))
            run_stage("ingest", root)
            found.append({stage: run_stage(stage, root) for stage in _STAGES})
    peaks = {stage: [result[stage]["own_mb"] for result in found] for stage in _STAGES}
    worst = min(_STAGES, key=lambda stage: peaks[stage][0] / peaks[stage][1])
    small, large = (f"{number:,}" for number in setup.memory_tiles)
    row = summarise(
        "memory_growth",
        [peaks[worst]],
        target,
        unit="MB",
        ours_is=f"peak memory of {worst}, the stage that grows most, at {small} tiles, in its own process; excluding "
        "the pages of program files, which all processes share",
        other_is=f"the same at {large} tiles; no stage may exceed {_MAX_PEAK_MB:.0f} MB",
        note=", ".join(
            f"{stage} {few:.0f} -> {many:.0f} MB ({found[1][stage]['resident_mb']:.0f} with program files)"
            for stage, (few, many) in peaks.items()
        ),
        details=dict(zip((small, large), found, strict=True)),
    )
    too_large = max(max(pair) for pair in peaks.values()) > _MAX_PEAK_MB
    return dataclasses.replace(row, verdict=BELOW) if too_large else row


def manifest_10_million(setup: Setup, target: float | None) -> Row:
    """Time and peak memory of merge on generated receipts, without pixels."""
    from bench.planned_tiles import write_plan

    with _scratch(setup.folder) as root:
        start = time.perf_counter()
        write_plan(root, setup.scale_tiles)
        made = time.perf_counter() - start
        result = run_stage("merge", root)
        sizes = {path.name: path.stat().st_size for path in (root / "datasets").glob("*/*")}
    return Row(
        name="manifest_10_million",
        verdict=REPORTED,
        target=target,
        ours=setup.scale_tiles / result["seconds"],
        ours_is=f"merge of generated receipts for {setup.scale_tiles:,} tiles, no pixels",
        note=f"{result['seconds']:,.0f} s, peak {result['own_mb']:,.0f} MB, "
        f"{result['resident_mb']:,.0f} with program files",
        details={**result, "seconds_to_generate": made, "bytes": sizes, "num_tiles": setup.scale_tiles},
    )


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Yields a new folder on the same disk as the bench's folder, and removes it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as root:
        yield Path(root)
