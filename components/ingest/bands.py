"""Decides whether a dataset has near infrared. Releases have; class folders have it if their files have four bands."""

from collections.abc import Iterable, Iterator, Mapping

from components import storage
from components.agrivision import CLASS_FOLDERS
from components.contracts import SourceFile, SourceTile
from components.errors import SettingsError
from components.ingest.layouts import FolderCount
from components.ingest.pairing import Paired
from components.ingest.settings import AUTO, RGB, RGB_NIR
from components.printable import printable
from components.progress import StepLog
from components.records.source_formats import MAX_SOURCE_BYTES

_NUM_BANDS = 4


class FirstTile:
    """Notes the RGB file of the first tile that passes by."""

    def __init__(self) -> None:
        self.rgb: SourceFile | None = None

    def noted(self, paired: Iterable[Paired]) -> Iterator[Paired]:
        """Yields what it is given."""
        for each in paired:
            if self.rgb is None and isinstance(each, SourceTile):
                self.rgb = each.rgb
            yield each


def has_near_infrared(
    wanted: str,
    layout: str,
    folders: Mapping[str, FolderCount],
    first: SourceFile | None,
    source_uri: str,
    log: StepLog,
) -> bool:
    """Returns whether the dataset's tiles are RGB and near infrared, and logs why if it was not asked for.

    Args:
      wanted: The setting ingest_bands.
      layout: Of the source.
      folders: File counts by folder.
      first: The first image; the only one whose header is read, and only if all images are TIFFs.
      source_uri: Where it is.
      log: The step's log.

    Raises:
      SettingsError: if bands are asked for that the layout has not.
    """
    if layout != CLASS_FOLDERS:
        if wanted == RGB:
            raise SettingsError(
                f"ingest_bands is {RGB}, but layout {layout} has RGB and near infrared; "
                'train on RGB alone with train_config={"bands": "rgb"}'
            )
        return True
    if wanted != AUTO:
        return wanted == RGB_NIR
    are_tiffs = all(count.num_images == count.num_tiffs for count in folders.values())
    if first is None or not are_tiffs or first.num_bytes > MAX_SOURCE_BYTES:
        return False
    return _says_so(first, source_uri, log)


def _says_so(file: SourceFile, source_uri: str, log: StepLog) -> bool:
    # Imported here because they load NumPy, which ingest needs for nothing else.
    from components.records.image_header import DamagedImage
    from components.records.tiff_header import tiff_header

    try:
        header = tiff_header(storage.read_bytes(storage.join(source_uri, file.path)))
    except (OSError, DamagedImage):
        return False  # the shard step will say what is wrong with it
    name = printable(file.path)
    if header.mode == "RGBN":
        log.line(f"bands are RGB and near infrared, because {name} has four (ingest_bands)")
        return True
    if header.num_bands == _NUM_BANDS:
        log.line(
            f"{name} calls its fourth band alpha, so it is not used; if it is near infrared: ingest_bands={RGB_NIR}"
        )
    return False
