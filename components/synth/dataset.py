"""Writes datasets of look-alike Agriculture-Vision tiles, for tests, CI and the demo.

The real tiles may not be redistributed. These have the same layouts, names, sizes, dtypes and
quirks, and patterns that a person and a small network can tell apart in RGB and in NIR.
"""

import collections
import concurrent.futures
import dataclasses
import functools
import multiprocessing
import multiprocessing.process
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from components.agrivision import CLASS_FOLDERS, LAYOUTS, PAPER_2020, TILE_SIZE_PX
from components.errors import NO_ROOM, SettingsError
from components.synth.field import draw_field
from components.synth.layouts import TileRecord, make_folders, write_field_stats, write_tiles
from components.synth.plan import IMBALANCES, LAYOUT_CLASSES, FieldPlan, plan_fields
from components.synth.windows import choose_windows

MIN_TILE_SIZE_PX = 64  # below this, rows are thinner than a pixel
MAX_TILE_SIZE_PX = 2048  # a field of such tiles takes some gigabytes while it is drawn
MAX_TILES = 10_000_000  # a hundred times the paper's release; the plan of all fields is in memory
_MOST_SHOWN = 200  # characters of a path in a message

# How often to look for a window that shows a second class. In the paper release 6.2 % of the tiles do.
_MULTI_LABEL_SHARE = {"mild": 0.15, "real": 0.062}
_MAX_ORIGIN_PX = 9_000  # fields of the dataset are images of up to about 10,000 px


@dataclasses.dataclass(frozen=True)
class SynthSummary:
    """What was written.

    Attributes:
      num_tiles: Tiles, over all splits.
      num_fields: Fields that they were cut from.
      num_bytes: Size of all files.
      class_counts: Tiles of each class as labelled on disk; tiles whose labels are withheld do not count.
    """

    num_tiles: int
    num_fields: int
    num_bytes: int
    class_counts: dict[str, int]


def write_dataset(
    out_dir: Path,
    *,
    layout: str,
    num_tiles: int,
    seed: int,
    tile_size_px: int = TILE_SIZE_PX,
    imbalance: str = "mild",
    progress: Callable[[int], None] | None = None,
    num_processes: int | None = None,
) -> SynthSummary:
    """Writes a dataset. Equal settings give equal bytes, whatever the number of processes.

    The folder appears under its name only when it is complete. Processes are spawned, so a script
    that calls this needs the usual `if __name__ == "__main__":`, unless `num_processes` is 1.

    Args:
      out_dir: The dataset's folder: new, or an empty one.
      layout: One of components.agrivision.LAYOUTS.
      num_tiles: At least 1.
      seed: At least 0.
      tile_size_px: Side of a tile, in px.
      imbalance: "mild" gives every class a fair number of tiles; "real" the paper release's 55 : 1.
      progress: Called with the number of tiles of each finished field.
      num_processes: At least 1; by default, one per processor that this process may use.

    Raises:
      SettingsError: if a setting is out of range, or `out_dir` is not empty.
    """
    out_dir = _real(out_dir)  # the dataset replaces an empty folder, not a link to one
    _check(out_dir, layout, num_tiles, seed, tile_size_px, imbalance, num_processes)
    plans = plan_fields(layout, num_tiles, seed, imbalance)
    temporary_dir = out_dir.with_name(f".{out_dir.name}.tmp-{os.getpid()}")
    try:
        _make(temporary_dir, out_dir)
        make_folders(temporary_dir, layout)
        write_field = functools.partial(
            _write_field,
            root=temporary_dir,
            layout=layout,
            seed=seed,
            tile_px=tile_size_px,
            multi_label_share=0.0 if layout == CLASS_FOLDERS else _MULTI_LABEL_SHARE[imbalance],
        )
        records: list[TileRecord] = []
        for field_records in _map(write_field, plans, num_processes or _num_processors()):
            records += field_records
            if progress is not None:
                progress(len(field_records))
        num_bytes = sum(record.num_bytes for record in records)
        if layout == PAPER_2020:
            num_bytes += write_field_stats(temporary_dir, records, tile_size_px)
        temporary_dir.replace(out_dir)
    finally:
        shutil.rmtree(temporary_dir, ignore_errors=True)
    counts = collections.Counter(name for record in records for name in record.label_areas)
    class_counts = {name: counts[name] for name in LAYOUT_CLASSES[layout]}
    return SynthSummary(len(records), len(plans), num_bytes, class_counts)


def _real(out_dir: Path) -> Path:
    try:
        return out_dir.resolve()
    except (OSError, RuntimeError) as error:  # the latter for a link that leads to itself
        raise SettingsError(f"output folder {str(out_dir)!r} cannot be used: {_reason(error)}") from error


def _make(temporary_dir: Path, out_dir: Path) -> None:
    try:
        out_dir.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(out_dir)
        temporary_dir.mkdir()
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        raise SettingsError(
            f"cannot make the output folder {out_dir.name[:_MOST_SHOWN]!r} in {str(out_dir.parent)[:_MOST_SHOWN]!r}: "
            f"{_reason(error)}; choose another place"
        ) from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or "a link leads to itself"


def _check(
    out_dir: Path,
    layout: str,
    num_tiles: int,
    seed: int,
    tile_size_px: int,
    imbalance: str,
    num_processes: int | None,
) -> None:
    if layout not in LAYOUTS:
        raise SettingsError(f"unknown layout {layout!r}; expected one of {', '.join(map(repr, LAYOUTS))}")
    if imbalance not in IMBALANCES:
        raise SettingsError(f"unknown imbalance {imbalance!r}; expected one of {', '.join(map(repr, IMBALANCES))}")
    for name, value, least, most in (
        ("num_tiles", num_tiles, 1, MAX_TILES),
        ("seed", seed, 0, None),
        ("tile_size_px", tile_size_px, MIN_TILE_SIZE_PX, MAX_TILE_SIZE_PX),
        ("num_processes", num_processes if num_processes is not None else 1, 1, None),
    ):
        if value < least:
            raise SettingsError(f"{name} must be at least {least}, got {value}")
        if most is not None and value > most:
            raise SettingsError(f"{name} must be at most {most:,}, got {value:,}")
    if out_dir.exists() and not out_dir.is_dir():
        raise SettingsError(f"output folder {str(out_dir)!r} is a file; choose another name")
    if out_dir.is_dir() and any(out_dir.iterdir()):
        raise SettingsError(f"output folder {str(out_dir)!r} is not empty; choose a new one, or remove it first")


def _map(
    write_field: Callable[[FieldPlan], list[TileRecord]], plans: list[FieldPlan], num_processes: int
) -> Iterator[list[TileRecord]]:
    """Yields the records of each field, in the order of the plans."""
    num_processes = min(num_processes, len(plans))
    if num_processes == 1:
        yield from map(write_field, plans)
        return
    # Spawned, not forked: the caller may have TensorFlow's threads running, which a fork would break.
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(num_processes, context, initializer=_end_with_parent)
    try:
        yield from pool.map(write_field, plans)
    finally:
        pool.shutdown(cancel_futures=True)


def _num_processors() -> int:
    # macOS cannot tell which processors a process may use.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _end_with_parent() -> None:
    """Ends this worker when its parent is killed; otherwise it would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_exit, args=(parent,), daemon=True).start()


def _wait_and_exit(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _write_field(
    plan: FieldPlan, *, root: Path, layout: str, seed: int, tile_px: int, multi_label_share: float
) -> list[TileRecord]:
    # A field's random numbers depend only on the seed and its index, not on which process draws it or when.
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(plan.index,)))
    origin = (int(rng.integers(_MAX_ORIGIN_PX)), int(rng.integers(_MAX_ORIGIN_PX)))
    field = draw_field(plan, rng, tile_px)
    windows = choose_windows(plan, field, rng, tile_px, multi_label_share)
    return write_tiles(root, layout, plan, field, windows, origin, tile_px)


def _remove_leftovers(out_dir: Path) -> None:
    """Removes the folders that killed runs left behind; keeps those of live runs."""
    for leftover in out_dir.parent.glob(f".{out_dir.name}.tmp-*"):
        pid = leftover.name.rpartition("-")[2]
        # In a container every run may have the same process id, so a folder with this one's id is a leftover too.
        if pid.isdecimal() and (int(pid) == os.getpid() or not _is_running(int(pid))):
            shutil.rmtree(leftover, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
