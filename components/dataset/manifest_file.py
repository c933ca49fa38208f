"""Finds and reads the manifest that a user means, given by its path, its folder, or a data_root with one dataset."""

from pathlib import Path

from components import storage
from components.contracts import Manifest
from components.errors import DataError, SettingsError

NAME = "manifest.json"
_DATASETS = "datasets"
_EXPECTED = f"expected <data_root>/{_DATASETS}/<id>/{NAME}"
_MOST_BYTES = 256 << 20  # a manifest lists shards, not tiles: a million shards take about as much
_MOST_SHOWN = 3  # datasets of a data_root, in a message


def read_manifest(uri: str) -> tuple[Manifest, bytes, str]:
    """Returns a manifest, its bytes, and the URI of the file itself.

    Args:
      uri: The manifest, a file or a `gs://` object; or its dataset's folder; or a data_root that holds one dataset.

    Raises:
      DataError: if there is no such manifest, or it cannot be read.
      SettingsError: if a data_root holds several.
    """
    found = _file_of(uri)
    try:
        if (size := storage.size(found)) is not None and size > _MOST_BYTES:
            raise DataError(f"{found!r} has {size:,} bytes, and a manifest at most {_MOST_BYTES:,}; {_EXPECTED}")
        content = storage.read_bytes(found)
    except FileNotFoundError as error:
        raise DataError(f"no manifest at {uri!r}; {_EXPECTED}") from error
    return Manifest.from_json(content, found), content, found


def _file_of(uri: str) -> str:
    """Returns where the manifest is that `uri` stands for; `uri` itself if that is no folder."""
    if not uri:
        raise SettingsError(f"the manifest's path is empty; {_EXPECTED}")
    if storage.is_remote(uri):
        return uri if uri.endswith(".json") or storage.exists(uri) else storage.join(uri, NAME)
    folder = Path(uri)
    if not folder.is_dir():
        return uri
    if (inner := folder / NAME).exists() or inner.is_symlink():
        return str(inner)
    found = sorted(str(path) for path in (folder / _DATASETS).glob(f"*/{NAME}"))
    if not found:
        raise DataError(f"no manifest in the folder {uri!r}; {_EXPECTED}")
    if len(found) > 1:
        more = f" and {len(found) - _MOST_SHOWN:,} more" if len(found) > _MOST_SHOWN else ""
        shown = ", ".join(map(repr, found[:_MOST_SHOWN]))
        raise SettingsError(f"{uri!r} holds {len(found):,} datasets, give one of them: {shown}{more}")
    return found[0]
