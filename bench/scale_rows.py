"""Measures ingest on a source of millions of tiles, with generated names and without pixels."""

import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench.pairs import REPORTED, Row
from components.agrivision import PAPER_2020_CLASSES, SPLITS
from components.contracts import SourceFile
from components.ingest.inventory import inventory_of
from components.ingest.settings import IngestSettings
from components.progress import StepLog

if TYPE_CHECKING:  # it imports TensorFlow, whose memory would count here
    from bench.run_settings import Setup

TILES_PER_FIELD = 28  # as in the paper release: 94,986 tiles of 3,432 fields
_YEARS = range(2017, 2027)
_WORKERS = 64


def inventory_10_million(setup: "Setup", target: float | None) -> Row:
    """Takes the inventory of generated names in its own process, and measures that process's memory."""
    command = [sys.executable, "-m", "bench.scale_rows", str(setup.scale_tiles)]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    details = json.loads(result.stdout.splitlines()[-1])
    return Row(
        name="inventory_10_million",
        verdict=REPORTED,
        target=target,
        ours=details["tiles"] / details["seconds"],
        ours_is=f"inventory of {details['tiles']:,} tiles ({details['files']:,} files), names only",
        note=f"{details['seconds']:,.0f} s, peak {details['peak_mb']:,.0f} MB",
        details=details,
    )


def generated_files(num_tiles: int) -> Iterator[SourceFile]:
    """Yields the files of a paper release with this many tiles, folder by folder like a listing."""
    for year, fields in _fields_by_year(num_tiles):
        root, version = f"data{year}_miniscale", f"{year - 1970}000000000000000"
        folders = [
            (f"{root}/field_images/rgb", ".jpg", 110_000),
            (f"{root}/field_images/nir", ".jpg", 75_000),
            (f"{root}/field_bounds", ".png", 1_500),
            (f"{root}/field_masks", ".png", 1_500),
        ]
        for folder, suffix, size in folders:
            for chance, name in _tile_names(fields, num_tiles):
                yield SourceFile(f"{folder}/{name}{suffix}", size + chance % 9_973, version)
        for index, class_name in enumerate(PAPER_2020_CLASSES):
            for chance, name in _tile_names(fields, num_tiles):
                # Every tile has one class, and 6 % have a second one.
                first = chance % len(PAPER_2020_CLASSES)
                if index == first or (chance % 100 < 6 and index == (first + 4) % len(PAPER_2020_CLASSES)):
                    yield SourceFile(f"{root}/field_labels/{class_name}/{name}.png", 2_000 + chance % 997, version)


def _fields_by_year(num_tiles: int) -> Iterator[tuple[int, range]]:
    num_fields = -(-num_tiles // TILES_PER_FIELD)
    for index, year in enumerate(_YEARS):
        yield year, range(num_fields * index // len(_YEARS), num_fields * (index + 1) // len(_YEARS))


def _field_id(number: int) -> str:
    # Looks random, yet differs for every number, because the factor is odd.
    return f"{number * 0x9E3779B97 % 16**9:09X}"


def _tile_names(fields: range, num_tiles: int) -> Iterator[tuple[int, str]]:
    """Yields a random-looking number for each tile, and the tile's name."""
    for field in fields:
        field_id = _field_id(field)
        for index in range(min(TILES_PER_FIELD, num_tiles - field * TILES_PER_FIELD)):
            x, y = 307 * (index % 6), 409 * (index // 6)
            yield (field * 7_919 + index * 104_729) % 1_000_003, f"{field_id}_{x}-{y}-{x + 512}-{y + 512}"


def write_split_files(folder: Path, num_tiles: int) -> list[SourceFile]:
    """Writes the official split of each year, 6 : 2 : 2 by field, and returns the files like a listing."""
    files = []
    for year, fields in _fields_by_year(num_tiles):
        split_of = itertools.cycle(("train", "train", "train", "val", "test"))
        by_split: dict[str, list[str]] = {split: [] for split in SPLITS}
        for field in fields:
            by_split[next(split_of)].append(_field_id(field))
        path = folder / f"data{year}_splits.json"
        path.write_text(json.dumps(by_split))
        files.append(SourceFile(path.name, path.stat().st_size, "1"))
    return files


def _measure(num_tiles: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="agrivision-bench-") as folder:
        source = Path(folder) / "source"
        source.mkdir()
        counted = itertools.count()
        files = itertools.chain(generated_files(num_tiles), write_split_files(source, num_tiles))
        files = (file for file, _ in zip(files, counted, strict=False))
        start = time.perf_counter()
        settings = IngestSettings(num_partitions=32, num_workers=_WORKERS)
        inventory = inventory_of(files, str(source), f"{folder}/data", settings, StepLog("ingest"))
        seconds = time.perf_counter() - start
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "tiles": inventory.num_tiles,
        "fields": inventory.num_fields,
        "files": next(counted),
        "shards": sum(len(partition.shards) for partition in inventory.partitions),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": round(usage.ru_maxrss / 1000, 1),  # Linux counts in kB
    }


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]))))
