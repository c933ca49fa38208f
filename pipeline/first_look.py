"""A first look at a few tiles of a source, before any step spends time on all of them."""

import itertools

from components import storage
from components.errors import SettingsError
from components.records.image_header import DamagedImage, read_header
from pipeline.parameters import Parameters

_SUFFIXES = (".jpg", ".jpeg", ".png")
_MOST_FILES, _MOST_IMAGES = 4096, 32  # of the source, that are listed, and read
_HEADER_BYTES = 1 << 16


def check_image_size(parameters: Parameters) -> None:
    """Refuses an input of the model that is larger than the tiles, as far as a few of them tell.

    Where they differ in size, others may be larger: training will know.

    Raises:
      SettingsError: if it is larger than all that were looked at.
      DataError: if there is no source.
      UnreachableError: if a bucket does not answer.
    """
    source_uri, image_size_px = parameters.run.source_uri, parameters.train.config.image_size_px
    # Another environment than this one may be what reads s3://.
    if not image_size_px or parameters.ingest.tile_size_px or source_uri.startswith("s3://"):
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
