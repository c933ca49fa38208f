"""What the files of a map are called."""

import dataclasses
from collections.abc import Sequence

from components.errors import SettingsError
from components.safe_path import path_fault, shown

_MOST_NAME_BYTES = 150  # of a map's name; what follows it must fit into a file's name as well


@dataclasses.dataclass(frozen=True)
class FileNames:
    """The files of a map called `name`.

    Attributes:
      name: What all of them begin with; the name of their folder.
      pngs: One for each class; only where there is no georeference.
    """

    name: str
    pngs: tuple[str, ...]

    @property
    def tiff(self) -> str:
        """The mosaic."""
        return f"{self.name}.tif"

    @property
    def geojson(self) -> str:
        """The regions."""
        return f"{self.name}.geojson"

    @property
    def page(self) -> str:
        """The page; it is published last, and without it there is no map."""
        return f"{self.name}.html"


def file_names(name: str, classes: Sequence[str]) -> FileNames:
    """Returns the names of a map's files. Where a class cannot be part of one, classes are told by their numbers.

    Raises:
      SettingsError: if `name` cannot be the name of a folder and of files.
    """
    fault = path_fault(name) or ("has a slash" if "/" in name else "") or ("is hidden" if name.startswith(".") else "")
    if not fault and len(name.encode()) > _MOST_NAME_BYTES:
        fault = f"is {len(name.encode())} bytes long, more than {_MOST_NAME_BYTES}"
    if fault:
        raise SettingsError(f"a map cannot be called {shown(name)}: it {fault}; rename what it is made of")
    parts = list(classes)
    # On some disks, names that differ by case only are one.
    if not all(map(_can_be_in_a_name, parts)) or len({part.casefold() for part in parts}) < len(parts):
        parts = [f"class-{number}" for number in range(1, len(parts) + 1)]
    return FileNames(name, tuple(f"{name}.{part}.png" for part in parts))


def _can_be_in_a_name(text: str) -> bool:
    return not path_fault(text) and "/" not in text and len(text.encode()) <= 80
