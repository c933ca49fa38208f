"""The experiment of memory: trainings at a limit that the data exceed, one without, and the curve of the peak."""

import concurrent.futures
import dataclasses
from collections.abc import Sequence

from components.contracts.study import Curve, Finding, RoundTable, Words
from components.measuring.peak_memory import available_bytes
from components.study.experiments.experiment import Bench, Experiment, Result
from components.study.experiments.memory.cgroup_limit import memory_cgroup
from components.study.experiments.memory.growth import fitted_slope
from components.study.experiments.memory.limited_runs import MemoryRun, run_limited
from components.study.experiments.memory.memory_spec import DECODED_BYTES, TILE_SIZE_PX, WAYS, MemorySpec, Way
from components.study.experiments.prepared_tiles import PreparedTiles, prepare_tiles

_NUM_DRAWN = 60  # all others repeat them, which changes nothing of the memory that they take
_TIMES = (5, 10)
_OWN_BYTES = 1_200_000_000  # what a training in one process takes beside its data, and a third more
_AT_ONCE = 2  # no times are measured here
_TITLE = Words(english="Peak memory by size of the data", spanish="Pico de memoria según el tamaño de los datos")
_X_TITLE = Words(english="decoded data, MB", spanish="datos decodificados, MB")
_Y_TITLE = Words(english="peak memory, MB", spanish="pico de memoria, MB")


@dataclasses.dataclass(frozen=True)
class MemorySizes:
    """How large the experiment is.

    Attributes:
      limit_bytes: Of the process; the data exceed it, decoded, 5 and 10 times.
      curve_tiles: Tiles at the points of the curve.
    """

    limit_bytes: int
    curve_tiles: tuple[int, ...]


_SIZES = {
    "ci": MemorySizes(1 << 30, (64, 256)),
    "laptop": MemorySizes(1 << 30, (64, 128, 256, 512, 1024)),
    "gpu": MemorySizes(1 << 30, (64, 128, 256, 512, 1024)),
}


def num_tiles_beyond(limit_bytes: int, times: int) -> int:
    """Returns the fewest tiles whose decoded pixels are at least so many times the limit."""
    return -(-times * limit_bytes // DECODED_BYTES)


def measure_memory(bench: Bench, sizes: MemorySizes) -> Sequence[Result]:
    """Returns the findings of both claims, and the curve."""
    tiles = prepare_tiles(bench.folder, _NUM_DRAWN, TILE_SIZE_PX)
    checks = _at_the_limit(bench, tiles, sizes.limit_bytes) | _in_a_cgroup(bench, tiles, sizes.limit_bytes)
    table = _curve_table(bench, tiles, sizes.curve_tiles)
    data = [count * DECODED_BYTES for count in sizes.curve_tiles]
    peaks = {way: [values[place] for values in table.rounds] for place, way in enumerate(table.arms)}
    slopes = {way: fitted_slope(data, peaks[way]) for way in table.arms}
    for way, slope in slopes.items():
        bench.say(
            f"memory: {way}: peak grows by {slope:.3f} of what the data grow by, {slope * DECODED_BYTES:,.0f} bytes "
            "a tile"
        )
    curves = [
        Curve(
            name=way,
            figure="memory",
            title=_TITLE,
            x_title=_X_TITLE,
            y_title=_Y_TITLE,
            x=tuple(size / 1e6 for size in data),
            y=tuple(peak / 1e6 for peak in peaks[way]),
            is_measured=True,
        )
        for way in table.arms
    ]
    return [
        Finding(claim="larger_than_memory", checks=checks),
        Finding(claim="generator_holds_one_batch", values={"generator": slopes["generator"]}, is_measured=True),
        table,
        *curves,
    ]


def _at_the_limit(bench: Bench, tiles: PreparedTiles, limit_bytes: int) -> dict[str, bool]:
    specs = {
        (way, times): MemorySpec(
            way=way,
            tiles_root=str(tiles.root.resolve()),
            num_tiles=num_tiles_beyond(limit_bytes, times),
            data_limit_bytes=limit_bytes,
        )
        for times in _TIMES
        for way in WAYS
    }
    runs = _run_all(bench, specs)
    checks = {}
    for (way, times), run in runs.items():
        if way == "load_everything":
            checks[f"load_all_fails_at_{times}_times"] = run.ending == "out of memory"
        else:
            checks[f"{way}_trains_at_{times}_times"] = run.ending == "trained"
    checks["load_all_trains_without_limit"] = _control(bench, specs["load_everything", _TIMES[0]])
    return checks


def _control(bench: Bench, limited: MemorySpec) -> bool:
    """Returns whether the training that failed at the limit succeeds without it."""
    needed, there = limited.num_tiles * DECODED_BYTES + _OWN_BYTES, available_bytes()
    if there and there < needed:
        bench.say(
            f"memory: the control without a limit needs {needed / 1e9:.1f} GB, and this machine has "
            f"{there / 1e9:.1f} GB left: not run, so nothing is decided"
        )
        return False
    spec = MemorySpec(way=limited.way, tiles_root=limited.tiles_root, num_tiles=limited.num_tiles)
    return _run(bench, "load_everything without a limit", spec, "control").ending == "trained"


def _in_a_cgroup(bench: Bench, tiles: PreparedTiles, limit_bytes: int) -> dict[str, bool]:
    """Returns the same at 5 times by a second kind of limit, where there is one; no verdict depends on it."""
    if bench.preset.name == "ci":
        return {}
    checks = {}
    for way, name, ending in (
        ("reader", "reader_trains_in_a_cgroup", "trained"),
        ("load_everything", "load_all_fails_in_a_cgroup", "out of memory"),
    ):
        spec = MemorySpec(
            way="reader" if way == "reader" else "load_everything",
            tiles_root=str(tiles.root.resolve()),
            num_tiles=num_tiles_beyond(limit_bytes, _TIMES[0]),
        )
        with memory_cgroup(limit_bytes) as before:
            if before is None:
                bench.say("memory: no control group can be made here; RLIMIT_DATA alone limits")
                return {}
            checks[name] = _run(bench, f"{way} in a control group", spec, f"cgroup-{way}", before).ending == ending
    return checks


def _curve_table(bench: Bench, tiles: PreparedTiles, counts: Sequence[int]) -> RoundTable:
    """Returns the peak of each way at each size, a size a round, without a limit."""
    specs = {
        (way, count): MemorySpec(way=way, tiles_root=str(tiles.root.resolve()), num_tiles=count)
        for count in counts
        for way in WAYS
    }
    runs = _run_all(bench, specs)
    peaks = {key: float(run.told.peak_bytes) for key, run in runs.items() if run.told is not None}
    return RoundTable(
        name="memory_curve",
        factor="data_size",
        unit="B",
        num_planned=len(counts),
        seed=0,
        arms=WAYS,
        has_again=False,
        rounds=tuple(tuple(peaks[way, count] for way in WAYS) for count in counts),
        settings={way: {"num_tiles": list(counts), "decoded_bytes_of_a_tile": DECODED_BYTES} for way in WAYS},
        is_measured=True,
    )


def _run_all(bench: Bench, specs: dict[tuple[Way, int], MemorySpec]) -> dict[tuple[Way, int], MemoryRun]:
    def run(key: tuple[Way, int]) -> MemoryRun:
        way, number = key
        limit = "at" if specs[key].data_limit_bytes else "without"
        name = f"{way} of {specs[key].num_tiles:,} tiles {limit} a limit"
        return _run(bench, name, specs[key], f"{way}-{number}-{limit}")

    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(specs, pool.map(run, specs), strict=True))


def _run(bench: Bench, name: str, spec: MemorySpec, stem: str, before: Sequence[str] = ()) -> MemoryRun:
    run = run_limited(spec, bench.folder / "memory" / f"{stem}.json", before)
    bench.say(f"memory: {name}: {run.ending}")
    return run


def _memory(bench: Bench) -> Sequence[Result]:
    return measure_memory(bench, _SIZES[bench.preset.name])


EXPERIMENTS = (Experiment("memory", "Data larger than memory", _memory),)
