"""Which tiles a user asks about: the files of each, as paths or found in folders by their names."""

import contextlib
import dataclasses
import itertools
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence

from components import storage
from components.contracts import SourceFile
from components.dataset.temporary_database import temporary_database
from components.errors import DataError, SettingsError
from components.ingest.listing import Group, Listing
from components.predict.folder_roles import Roles
from components.progress import Progress, StepLog
from components.records.source_formats import IMAGE_SUFFIXES

RGB, NIR, BOUNDARY, MASK = ROLES = ("rgb", "nir", "boundary", "mask")
_CACHE_KB = 16_384  # of the names that are sorted; what does not fit goes to the temporary disk

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class TileFiles:
    """One tile.

    Attributes:
      name: What its answer is called: the path that was given, or its name in a folder.
      files: By role; the `path` of each is a whole path or URI.
    """

    name: str
    files: Mapping[str, SourceFile]


@dataclasses.dataclass(frozen=True)
class Asked:
    """The tiles that a command line asks about; `num_tiles` is exact for files, and at most so many for folders."""

    num_tiles: int
    tiles: Iterator[TileFiles]


@contextlib.contextmanager
def asked_tiles(places: Sequence[str], by_role: Mapping[str, Sequence[str]], say: Say) -> Iterator[Asked]:
    """Yields the tiles, whose number does not matter to the memory they take.

    Args:
      places: Folders of tiles, or RGB images.
      by_role: Images, or folders of images, for each role: the first of a role belongs to the first of every other.
      say: Takes a remark about what is left out.

    Raises:
      SettingsError: if there is none, something is given twice, or the roles do not fit together.
      DataError: if a folder cannot be listed.
    """
    _require_once([*places, *itertools.chain.from_iterable(by_role.values())])
    sources: list[dict[str, str]] = [{"": place} if _is_folder(place) else {RGB: place} for place in places]
    sources += _matched(by_role)
    if not sources:
        raise SettingsError("no tile to ask about; give a folder of tiles, an image, or --rgb and, if needed, --nir")
    with contextlib.ExitStack() as stack:
        parts = [_of_source(source, len(sources) > 1, stack, say) for source in sources]
        yield Asked(sum(part.num_tiles for part in parts), itertools.chain.from_iterable(part.tiles for part in parts))


def _require_once(given: Sequence[str]) -> None:
    seen: set[str] = set()
    for each in given:
        if not each:
            raise SettingsError("an empty path was given; expected an image or a folder")
        real = each.rstrip("/") if storage.is_remote(each) else os.path.realpath(each)
        if real in seen:
            raise SettingsError(f"{each!r} is given twice; give each image and each folder once")
        seen.add(real)


def _matched(by_role: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Returns what belongs together: the first of each role, the second of each, and so on."""
    given = {role: list(paths) for role, paths in by_role.items() if paths}
    if given and RGB not in given:
        raise SettingsError(f"--{next(iter(given))} is given without --rgb; every tile needs an RGB image")
    for role, paths in given.items():
        if len(paths) != len(given[RGB]):
            raise SettingsError(
                f"--rgb is given {len(given[RGB])} times and --{role} {len(paths)} times; give as many of each, in the "
                "same order"
            )
    sources = [dict(zip(given, paths, strict=True)) for paths in zip(*given.values(), strict=True)]
    for source in sources:
        if len({_is_folder(path) for path in source.values()}) > 1:
            shown = ", ".join(f"--{role} {path!r}" for role, path in source.items())
            raise SettingsError(f"some of these are folders and some are not: {shown}; give either files or folders")
    return sources


def _is_folder(place: str) -> bool:
    if storage.is_remote(place):
        return not place.lower().endswith(IMAGE_SUFFIXES)
    return os.path.isdir(place)


def _of_source(source: Mapping[str, str], with_folder: bool, stack: contextlib.ExitStack, say: Say) -> Asked:
    if not _is_folder(next(iter(source.values()))):
        return Asked(1, iter([TileFiles(source[RGB], {role: _file(path) for role, path in source.items()})]))
    listing = Listing(stack.enter_context(temporary_database(_CACHE_KB)))
    where = source.get("", source.get(RGB, ""))
    listing.add(_listed(source, say), where, Progress(_Remarks(say), None, "files listed", 10.0))
    roles = Roles(listing.folders)
    if not roles.num_rgb:
        raise DataError(
            f"no RGB image in the folder {where!r}; expected {', '.join(IMAGE_SUFFIXES)} files, or folders rgb and nir "
            "with images of the same names"
        )
    prefix = f"{where.rstrip('/')}/" if with_folder else ""
    groups = (_tiles_of(group, roles, source, prefix, say) for group in listing.groups())
    return Asked(roles.num_rgb, itertools.chain.from_iterable(groups))


def _listed(source: Mapping[str, str], say: Say) -> Iterator[SourceFile]:
    """Yields the files of all folders, each below the name of its folder's role."""
    for role, folder in source.items():
        start = f"{role}/" if role else ""
        for file in storage.list_files(folder, say):
            yield SourceFile(start + file.path, file.num_bytes, file.version)


def _tiles_of(group: Group, roles: Roles, source: Mapping[str, str], prefix: str, say: Say) -> Iterator[TileFiles]:
    """Yields the tiles of one name; several if folders that do not belong together have one each."""
    alike: dict[tuple[str, str], dict[str, SourceFile]] = {}
    first: dict[tuple[str, str], str] = {}
    for folder, stem, file in group.files:
        if (place := roles.of(folder)) is None:
            continue
        role, part = place
        files = alike.setdefault((part, stem), {})
        path = _whole(source, file.path)
        if role in files:
            say(f"left out {path!r}: another {role} image has its name, {files[role].path!r}")
            continue
        first.setdefault((part, stem), file.path.rpartition(".")[0])
        files[role] = SourceFile(path, file.num_bytes, file.version)
    tiles = {place: files for place, files in alike.items() if RGB in files or NIR in files}
    stems = [stem for _, stem in tiles]
    for place, files in tiles.items():
        name = place[1] if stems.count(place[1]) == 1 else first[place]
        yield TileFiles(prefix + name, files)


def _whole(source: Mapping[str, str], path: str) -> str:
    if "" in source:
        return storage.join(source[""], path)
    role, _, rest = path.partition("/")
    return storage.join(source[role], rest)


def _file(path: str) -> SourceFile:
    """Returns a file that was given by its path; one that is not there is found out when it is read."""
    if storage.is_remote(path):
        return SourceFile(path, storage.size(path) or 0, "")
    with contextlib.suppress(OSError):
        status = os.stat(path)
        return SourceFile(path, status.st_size if stat.S_ISREG(status.st_mode) else 0, "")
    return SourceFile(path, 0, "")


class _Remarks(StepLog):
    """What ingest's listing says of its progress, which is no line of a step here."""

    def __init__(self, say: Say) -> None:
        super().__init__("predict")
        self._say = say

    def line(self, text: str) -> None:
        self._say(text)
