"""Makes the maps of a source: asks the model what it has not said yet, blends, and has the files written.

`score_share` does a part of the asking, for one of several machines; `score_source` does all of it and what follows.
Both leave the same bytes in the working folders, and both go on where an earlier run ended.
"""

import concurrent.futures
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from components import storage
from components.errors import DataError, SettingsError
from components.maps.field_tiles import field_jobs
from components.maps.map_job import MapJob, RasterJob
from components.maps.map_model import MapModel
from components.maps.output.published import published
from components.maps.output.write_all import write_all
from components.maps.raster_file import open_raster
from components.maps.raster_windows import file_fingerprint
from components.maps.settings import RegionSettings, ScoreSettings
from components.maps.work_folder import WorkFolder, part_name
from components.predict.pushed_model import find_model
from components.predict.tile_files import asked_tiles
from components.progress import Progress, StepLog
from components.records.source_formats import TIFF_SUFFIXES
from components.storage import disk

_EVERY_REGION = RegionSettings()
_COPIED_BYTES = 64 << 20  # at a time, of a GeoTIFF on a bucket


def score_source(
    source_uri: str,
    model_uri: str,
    target_uri: str,
    settings: ScoreSettings,
    log: StepLog,
    regions: RegionSettings = _EVERY_REGION,
) -> list[str]:
    """Makes the maps of a source below `target_uri`; returns where the files are.

    Args:
      source_uri: A GeoTIFF, or a folder of tiles; either may be on a bucket.
      model_uri: A models URI, for its production model, or the folder of one version.
      target_uri: A folder or a gs:// URI.
      settings: How it is looked at.
      log: Takes what happens.
      regions: Which regions become polygons.

    Raises:
      SettingsError: if the source, the model or the target is not one that can be worked with, or another map has its
        place.
      DataError: if the source cannot be read, the model fails, or no tile could be used.
    """
    files: list[str] = []
    with _jobs(source_uri, model_uri, settings, log) as (jobs, model):
        for job in jobs:
            if there := published(job.plan, target_uri, regions):
                log.line(f"{job.plan.name}: the map is there already")
                files += there
                continue
            work = WorkFolder(target_uri, job.plan)
            score_rows(job, work, model, range(len(job.plan.parts)), log)
            reader = work.finish(job.num_bands)
            grid = reader.grid
            if grid.num_left_out:
                log.line(f"{grid.name}: left out {grid.num_left_out:,} tiles, first {grid.first_left_out}")
            if not grid.num_asked:
                log.line(f"{grid.name}: no pixel counts, so there is no map of it")
                continue
            log.line(f"{grid.name}: the model was asked about {grid.num_asked:,} of {grid.num_windows:,} windows")
            files += write_all(reader, target_uri, grid.name, regions)
    if not files:
        raise DataError(f"no map could be made of {source_uri!r}; the lines before say why")
    return files


def score_share(
    source_uri: str,
    model_uri: str,
    target_uri: str,
    settings: ScoreSettings,
    log: StepLog,
    share: int,
    num_shares: int,
) -> int:
    """Asks about one share of a source, of `num_shares`; returns the number of parts that are there now.

    Raises:
      SettingsError, DataError: as score_source does.
    """
    if not 0 <= share < num_shares:
        raise SettingsError(f"share must be in 0..{num_shares - 1}, got {share}")
    num_parts = 0
    with _jobs(source_uri, model_uri, settings, log) as (jobs, model):
        for job in jobs:
            count = len(job.plan.parts)
            rows = range(count * share // num_shares, count * (share + 1) // num_shares)
            if not published(job.plan, target_uri, _EVERY_REGION):
                score_rows(job, WorkFolder(target_uri, job.plan), model, rows, log)
            num_parts += len(rows)
    return num_parts


def num_parts_of(source_uri: str, model_uri: str, target_uri: str, settings: ScoreSettings, log: StepLog) -> int:
    """Returns the number of parts of the largest map, in which several tasks can share; 0 if all maps are there.

    Raises:
      SettingsError, DataError: as score_source does.
    """
    with _jobs(source_uri, model_uri, settings, log) as (jobs, _):
        missing = (job.plan for job in jobs if not published(job.plan, target_uri, _EVERY_REGION))
        return max((len(plan.parts) for plan in missing), default=0)


def score_rows(job: MapJob, work: WorkFolder, model: MapModel, rows: range, log: StepLog) -> None:
    """Makes some parts of a map, those that are not there yet; their bytes do not depend on which are asked for.

    Raises:
      DataError: if the source cannot be read, or the model fails.
    """
    done = work.done()
    wanted = [number for number in rows if part_name(number) not in done]
    if not wanted:
        return
    if len(wanted) < len(rows):
        log.line(f"{job.plan.name}: {len(rows) - len(wanted):,} of {len(rows):,} parts are there already")
    progress = Progress(log, job.num_windows(wanted), job.unit)
    with concurrent.futures.ThreadPoolExecutor(1) as writer, contextlib.closing(job.parts(model, wanted)) as parts:
        written: concurrent.futures.Future[None] | None = None
        for number, part in parts:
            if written is not None:
                written.result()
            written = writer.submit(work.write, number, part)
            progress.advance(part.num_windows)
        if written is not None:
            written.result()


@contextlib.contextmanager
def _jobs(
    source_uri: str, model_uri: str, settings: ScoreSettings, log: StepLog
) -> Iterator[tuple[Iterator[MapJob], MapModel]]:
    with contextlib.ExitStack() as stack:
        model = stack.enter_context(MapModel(find_model(model_uri)))
        if _is_raster(source_uri):
            path, version = stack.enter_context(_local_file(source_uri))
            raster = stack.enter_context(
                open_raster(path, source_uri, settings.bands, model.num_bands, model.max_16_bit)
            )
            fingerprint = file_fingerprint(path, version, raster.header.indexes)
            job = RasterJob(raster, model, source_uri, fingerprint, settings.window_px, settings.overlap)
            yield iter([job]), model
            return
        for name, value in (("--bands", settings.bands), ("--window-px", settings.window_px)):
            if value:
                raise SettingsError(f"{name} is for a GeoTIFF, and {source_uri!r} is a folder of tiles; leave it out")
        asked = stack.enter_context(asked_tiles([source_uri], {}, log.line))
        yield field_jobs(asked.tiles, model, source_uri), model


def _is_raster(uri: str) -> bool:
    is_file = storage.exists(uri)
    is_tiff = uri.lower().endswith(TIFF_SUFFIXES)
    if not is_file and (is_tiff or not (storage.is_remote(uri) or os.path.isdir(uri))):
        raise DataError(f"no {uri!r}; expected a GeoTIFF or a folder of tiles")
    if is_file and not is_tiff:
        raise SettingsError(f"{uri!r} is a file, but no GeoTIFF by its name; expected one, or a folder of tiles")
    return is_file


@contextlib.contextmanager
def _local_file(uri: str) -> Iterator[tuple[Path, str]]:
    """Yields a local file with the content, and the generation of an object; a bucket is read piece by piece."""
    if not storage.is_remote(uri):
        disk.require_file(uri)
        yield Path(uri), ""
        return
    folder, _, name = uri.rpartition("/")
    found = [file for file in storage.list_files(folder) if file.path == name]
    if not found:
        raise DataError(f"no {uri!r}")
    with tempfile.TemporaryDirectory() as temporary:
        local = disk.place_below(Path(temporary), name)
        with local.open("wb") as file:
            for start in range(0, found[0].num_bytes, _COPIED_BYTES):
                file.write(storage.read_range(uri, start, min(_COPIED_BYTES, found[0].num_bytes - start)))
            os.fsync(file.fileno())
        yield local, found[0].version
