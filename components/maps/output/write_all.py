"""Makes the files of a map in one pass over it, and publishes them as a folder, whole or not at all."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from components import storage
from components.maps.grid import MapReader
from components.maps.output.cells import cell_blocks
from components.maps.output.file_names import FileNames, file_names
from components.maps.output.frame import frame_of
from components.maps.output.mosaic import mosaic
from components.maps.output.page import write_map_page
from components.maps.output.preview import Preview
from components.maps.output.published import another_map, key_line
from components.maps.output.region_file import region_file
from components.maps.settings import RegionSettings
from components.storage import disk, whole_folder

_EVERY_REGION = RegionSettings()


def write_all(reader: MapReader, target_uri: str, name: str, settings: RegionSettings = _EVERY_REGION) -> list[str]:
    """Publishes a map in the folder `name` below `target_uri`; returns where its files are, the page last.

    Equal maps make equal files, so a map that is there already is left as it is.

    Args:
      reader: The map.
      target_uri: A folder or a gs:// URI.
      name: What its folder and its files are called.
      settings: Which regions become polygons.

    Raises:
      DataError: if the map is damaged, or GDAL cannot write it.
      SettingsError: if it cannot be called so, another map is there, or rasterio is needed and not installed.
    """
    names = file_names(name, reader.grid.classes)
    frame = frame_of(reader.grid)
    uri = storage.join(target_uri, names.name)
    with _staging(uri) as folder:
        quicklook = reader.quicklook
        preview = Preview(len(reader.grid.classes), frame, quicklook.valid.shape)
        with (
            mosaic(reader.grid, frame, folder, names) as values,
            region_file(reader.grid, frame, folder / names.geojson, settings) as regions,
        ):
            for block in cell_blocks(reader):
                values.add(block)
                regions.add(block)
                preview.add(block)
        files = sorted(folder.iterdir())
        write_map_page(
            folder / names.page, reader.grid, frame, quicklook, preview, regions, files, key_line(reader.grid, settings)
        )
        _publish(folder, uri, names)
    return [storage.join(uri, file.name) for file in files] + [storage.join(uri, names.page)]


def _publish(folder: Path, uri: str, names: FileNames) -> None:
    page = (folder / names.page).read_bytes()  # it names the digests of the others, so it stands for them
    if whole_folder.publish(folder, uri, names.page, move=not storage.is_remote(uri)):
        return
    if storage.read_bytes(storage.join(uri, names.page)) != page:
        raise another_map(uri)


@contextlib.contextmanager
def _staging(uri: str) -> Iterator[Path]:
    """Yields an empty folder to make the files in: beside a local folder, so that publishing is renaming."""
    if storage.is_remote(uri):
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary)
        return
    target = Path(uri)
    folder = target.parent / f".{target.name}.writing"
    with disk.lock(f"{uri}.writing"):  # what an earlier run left there, when it was killed, is nobody else's
        shutil.rmtree(folder, ignore_errors=True)
        disk.make_folder(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
