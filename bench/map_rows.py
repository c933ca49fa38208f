"""Maps of rasters: against the speed of the model alone, and whether memory stays flat as a raster grows."""

import dataclasses
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.map_source import push_random_model, write_raster
from bench.memory_stage import run_stage
from bench.pairs import BELOW, PASS, REPORTED, Row, Side
from bench.run_settings import Setup
from bench.sides import compare
from components.measuring.turns import Turn

_SIDE_PX = 3_584  # 13 x 13 windows of 512 px that overlap by half
_WINDOW_PX = 512
_LARGE_PX, _SMALL_PX = 20_000, 5_000
_LIMIT_MB = 100.0


def score_vs_forward(setup: Setup, target: float | None) -> Row:
    """Windows of a GeoTIFF, read, asked about and written, against the model's forward pass on the same windows."""
    return _versus_forward(setup, target, "score_vs_forward", "resnet50", 224)


def score_small_vs_forward(setup: Setup, target: float | None) -> Row:
    """The same with a network so small that it is hardly slower than what brings its input."""
    return _versus_forward(setup, target, "score_small_vs_forward", "small", 256)


def _versus_forward(setup: Setup, target: float | None, name: str, backbone: str, image_size_px: int) -> Row:
    folder = setup.folder / "maps"
    if not setup.side:
        shutil.rmtree(folder / "models", ignore_errors=True)  # of other code
        push_random_model(folder / "models", backbone, image_size_px)
        write_raster(folder / f"{_SIDE_PX}.tif", _SIDE_PX)
    model = f"{backbone} at {image_size_px} px"
    return compare(
        name,
        Side(
            f"windows of {_WINDOW_PX} px of a GeoTIFF of {_SIDE_PX:,} x {_SIDE_PX:,} px, four bands, overlapping by "
            f"half: rows are read, {model} answers in its own process, and its answers are written",
            _windows_turn(folder, f"{backbone}-{image_size_px}-tile"),
        ),
        Side(
            f"the same signature of the same model on the same windows in batches of 16, in memory, {model}",
            _forward_turn(folder, f"{backbone}-{image_size_px}-tile"),
        ),
        setup,
        target,
    )


def _windows_turn(folder: Path, version: str) -> Turn:
    made: list[Any] = []

    def turn() -> float:
        from components.maps.map_job import RasterJob
        from components.maps.map_model import MapModel
        from components.maps.raster_file import open_raster
        from components.maps.score import score_rows
        from components.maps.work_folder import WorkFolder
        from components.predict.pushed_model import find_model
        from components.progress import StepLog

        if not made:
            made.append(MapModel(find_model(str(folder / "models" / version))))
            list(made[0].of_pixels([_blank()]))  # loads the model, which is not timed
        (model,) = made
        path = folder / f"{_SIDE_PX}.tif"
        with (
            tempfile.TemporaryDirectory(dir=folder) as target,
            open_raster(path, str(path), "", 4, 65_535) as raster,
        ):
            start = time.perf_counter()
            job = RasterJob(raster, model, str(path), "0" * 64, _WINDOW_PX, 0.5)
            rows = range(len(job.plan.parts))
            score_rows(job, WorkFolder(target, job.plan), model, rows, StepLog("score"))
            return job.num_windows(rows) / (time.perf_counter() - start)

    return turn


def _blank() -> dict[str, np.ndarray[Any, Any]]:
    shape = (16, _WINDOW_PX, _WINDOW_PX)
    return {name: np.zeros((*shape, count), np.uint8) for name, count in (("rgb", 3), ("nir", 1), ("valid", 1))}


def _forward_turn(folder: Path, version: str) -> Turn:
    made: list[Any] = []

    def turn() -> float:
        import rasterio
        import tensorflow as tf

        from components.maps.windows import starts

        if not made:
            with rasterio.open(folder / f"{_SIDE_PX}.tif") as file:
                pixels = file.read().transpose(1, 2, 0)
            at = starts(_SIDE_PX, _WINDOW_PX, _WINDOW_PX // 2)
            windows = [pixels[top : top + _WINDOW_PX, left : left + _WINDOW_PX] for top in at for left in at]
            made.append(windows)
            made.append(tf.saved_model.load(str(folder / "models" / version)))
            _ask(made[1], windows[:16])
        windows, model = made
        seconds = 0.0
        for first in range(0, len(windows), 16):
            some = windows[first : first + 16]
            seconds += _ask(model, some)
        return len(windows) / seconds

    return turn


def _ask(model: Any, windows: list[np.ndarray[Any, Any]]) -> float:
    """Returns how long the model takes for a batch; making the batch is not counted."""
    import tensorflow as tf

    batch = np.stack(windows)
    arrays = {"rgb": batch[..., :3], "nir": batch[..., 3:], "valid": np.full((*batch.shape[:3], 1), 255, np.uint8)}
    tensors = {name: tf.constant(np.ascontiguousarray(array)) for name, array in arrays.items()}
    start = time.perf_counter()
    model.signatures["pixels"](**tensors)["probabilities"].numpy()
    return time.perf_counter() - start


def score_memory_growth(setup: Setup, target: float | None) -> Row:
    """Peak memory of asking about a raster, reading its map and writing nothing, at two sizes; both processes."""
    found: dict[int, dict[str, float]] = {}
    for side in (_SMALL_PX, _LARGE_PX):
        with tempfile.TemporaryDirectory(dir=_made(setup.folder)) as root:
            write_raster(Path(root, "source.tif"), side)
            push_random_model(Path(root, "models"), "small", 64)
            found[side] = run_stage("maps", Path(root))
    small, large = (found[side]["own_mb"] for side in (_SMALL_PX, _LARGE_PX))
    ratio = _LIMIT_MB / max(large - small, 1.0)
    row = Row(
        name="score_memory_growth",
        verdict=REPORTED if target is None else PASS if ratio >= target else BELOW,
        ours=large,
        other=small,
        ratio=ratio,
        unit="MB",
        target=target,
        ours_is=f"peak memory of all processes that make a map of {_LARGE_PX:,} x {_LARGE_PX:,} px, four bands",
        other_is=f"the same of {_SMALL_PX:,} x {_SMALL_PX:,} px; the difference may be {_LIMIT_MB:.0f} MB",
        note=f"{large - small:+.0f} MB for 16 times the pixels, {found[_LARGE_PX]['seconds']:,.0f} s",
    )
    return dataclasses.replace(row, details={f"{side:,}": result for side, result in found.items()})


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
