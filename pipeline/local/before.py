"""What is checked before a run on this machine starts: that it finds room, and what a look at the source tells."""

import itertools
from pathlib import Path

from components import environment, storage
from components.errors import SettingsError
from components.places import check_access, require_writable
from components.records.image_header import DamagedImage, read_header
from components.train.settings.tuning.network import IMAGENET_WEIGHTS
from pipeline.parameters import Parameters

_SUFFIXES = (".jpg", ".jpeg", ".png")
_MOST_FILES, _MOST_IMAGES = 4096, 32  # of the source, that are listed, and read
_HEADER_BYTES = 1 << 16


def check_before_run(parameters: Parameters, runs_dir: Path) -> None:
    """Refuses a run of which can be known at once that it will fail.

    Raises:
      SettingsError: if a place cannot be written to, or the training's settings do not fit the source.
      DataError: if a place is full, or there is no source.
      UnreachableError: if a bucket does not answer.
    """
    require_writable("runs_dir", runs_dir)
    require_writable("TMPDIR", Path(environment.temporary_folder()), make=False)
    run, config = parameters.run, parameters.train.config
    check_access(run.data_root, run.models_uri, run.shard_reference_manifest)
    if config.weights not in ("", IMAGENET_WEIGHTS) and not storage.exists(config.weights):
        raise SettingsError(f"weights: no such file {config.weights!r}")
    if config.image_size_px and not parameters.ingest.tile_size_px:
        _check_image_size(run.source_uri, config.image_size_px)


def _check_image_size(source_uri: str, image_size_px: int) -> None:
    """Refuses an input of the model that is larger than the tiles, as far as a few of them tell.

    Where they differ in size, others may be larger: training will know.
    """
    if source_uri.startswith("s3://"):  # this environment may not be the one that reads it
        return
    listed = itertools.islice(storage.list_files(source_uri), _MOST_FILES)
    images = sorted(file.path for file in listed if file.path.lower().endswith(_SUFFIXES))
    sizes = set()
    for path in images[:: max(1, len(images) // _MOST_IMAGES)]:
        try:
            header = read_header(storage.read_range(storage.join(source_uri, path), 0, _HEADER_BYTES))
        except (OSError, DamagedImage):  # for the shard step to judge, which reads all of it
            continue
        sizes.add((header.width, header.height))
    if len(sizes) == 1 and (largest := max(sizes.pop())) < image_size_px:
        raise SettingsError(
            f"image_size_px, a key of train_config, must be at most the size of the tiles, {largest} px, got "
            f"{image_size_px}; leave it out to take the size of the tiles"
        )
