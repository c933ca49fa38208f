"""How many tiles a source has by split, and how large they are: what a forecast needs to know of it. Writes nothing."""

import itertools
import tempfile
import time
from pathlib import Path

from components import storage
from components.agrivision import TILE_SIZE_PX
from components.ingest.planner import sizes_of
from components.ingest.settings import IngestSettings
from components.ingest.survey import survey_source
from components.progress import StepLog
from components.records.image_header import DamagedImage, read_header

_HEADER_BYTES = 1 << 16
_SUFFIXES = (".jpg", ".jpeg", ".png")
_MOST_IMAGES = 8


def tiles_by_split(source_uri: str, settings: IngestSettings, log: StepLog) -> tuple[dict[str, int], float]:
    """Returns the tiles of each split as ingest would find them, and the seconds that it took to list them.

    Raises:
      DataError: if the source is not a usable dataset.
    """
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        survey_source(
            storage.list_source(source_uri, log.line), source_uri, settings, log, data_root=str(Path(folder))
        ) as survey,
    ):
        sizes = sizes_of(survey.table, survey.split_of)
    return {split: count for split, (count, _) in sizes.items()}, time.monotonic() - began


def side_of_tiles(source_uri: str) -> int:
    """Returns the side of the tiles, in pixels, as a few of them have it; the usual one if none can be read."""
    if source_uri.startswith("s3://"):
        return TILE_SIZE_PX
    sides = []
    files = (file.path for file in storage.list_files(source_uri) if file.path.lower().endswith(_SUFFIXES))
    for path in itertools.islice(files, _MOST_IMAGES):
        try:
            header = read_header(storage.read_range(storage.join(source_uri, path), 0, _HEADER_BYTES))
        except (OSError, DamagedImage):
            continue
        sides.append(max(header.width, header.height))
    return max(sides, default=TILE_SIZE_PX)
