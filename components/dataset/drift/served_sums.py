"""Reads the windows that servers wrote, and adds up those of one version."""

import dataclasses
import datetime
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.contracts import ServedWindow, SourceFile
from components.contracts.served import NUM_VALUES
from components.errors import DataError, SettingsError

_SUFFIX = ".json"
_MOST_WINDOWS = 20_000  # an hour each, those of ten servers for three months
_MOST_BYTES = 4 << 20  # of one; that of a model of 256 classes has a quarter of it


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServedSums:
    """What one version answered, over all its servers and windows that were taken.

    Attributes:
      last: The latest window, which has what is the same in all of them.
      since: Of the earliest.
      counted_tiles: Those whose bands were counted.
      band_histogram: Valid pixels of these by value, int64 [bands, 256].
      predicted_tiles: Tiles that were given the class, int64 [C].
      num_others: Windows of other versions that were left out.
    """

    last: ServedWindow
    since: str
    num_windows: int
    num_tiles: int
    num_requests: int
    counted_tiles: int
    band_histogram: NDArray[np.int64]
    predicted_tiles: NDArray[np.int64]
    num_others: int = 0

    def histogram(self, band: str) -> list[int]:
        """Returns the valid pixels of a band by value, [256]."""
        found: list[int] = self.band_histogram[self.last.bands.index(band)].tolist()
        return found

    def share(self, name: str) -> float:
        """Returns the share of the tiles that were given the class; there must be tiles."""
        return float(self.predicted_tiles[self.last.classes.index(name)] / self.num_tiles)


def read_served(uri: str, version: str = "", hours: float = 0.0, now: datetime.datetime | None = None) -> ServedSums:
    """Returns the sums of one version.

    Args:
      uri: What `agrivision serve --drift-to` named: a folder, or `gs://` URI.
      version: By default the one that was served last.
      hours: Takes windows that ended so many hours ago at most; 0 takes all.

    Raises:
      SettingsError: if there are too many windows, or none that is wanted.
      DataError: if there is no such place, or a window cannot be read or contradicts the others.
    """
    names = _names(uri, version)
    earliest = ""
    if hours:
        moment = (now or datetime.datetime.now(datetime.UTC)) - datetime.timedelta(hours=hours)
        earliest = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    by_version: dict[str, _Adding] = {}
    for window in map(_read, names):  # one at a time, as they are many
        if window.num_tiles and window.until >= earliest:
            by_version.setdefault(window.version, _Adding(window)).add(window)
    wanted = version or max(by_version, key=lambda name: by_version[name].order, default="")
    if wanted not in by_version:
        of_version = f" of version {version!r}" if version else ""
        lately = f" that ended within the last {hours:g} hours" if hours else ""
        raise SettingsError(
            f"no window{of_version}{lately} in {uri!r}; expected what agrivision serve --drift-to wrote there"
        )
    num_others = sum(each.num_windows for name, each in by_version.items() if name != wanted)
    return by_version[wanted].sums(num_others)


def added_up(windows: Sequence[ServedWindow]) -> ServedSums:
    """Returns the sums of windows of one version, of which there is at least one.

    Raises:
      DataError: if they contradict each other.
    """
    adding = _Adding(windows[0])
    for each in windows:
        adding.add(each)
    return adding.sums()


class _Adding:
    """Adds up windows of one version."""

    def __init__(self, first: ServedWindow) -> None:
        self._last, self._since = first, first.since
        self.num_windows = self._num_tiles = self._num_requests = self._counted_tiles = 0
        self._bands = np.zeros((len(first.bands), NUM_VALUES), np.int64)
        self._predicted = np.zeros(len(first.classes), np.int64)

    @property
    def order(self) -> tuple[str, str]:
        """What the version that was served last has the greatest of."""
        return self._last.until, self._last.since

    def add(self, window: ServedWindow) -> None:
        """Adds one.

        Raises:
          DataError: if it contradicts the others.
        """
        last = self._last
        for name in ("version", "classes", "bands", "manifest_sha256", "test_share"):
            if getattr(window, name) != getattr(last, name):
                raise DataError(
                    f"two windows of version {last.version} differ in {name}, so one of them is not what a server "
                    f"wrote: that of {window.since} by {window.instance}, or that of {last.since} by {last.instance}; "
                    "remove it"
                )
        self.num_windows += 1
        self._num_tiles += window.num_tiles
        self._num_requests += window.num_requests
        self._counted_tiles += window.num_counted
        self._bands += np.array(window.band_histogram, np.int64)
        self._predicted += np.array(window.predicted_tiles, np.int64)
        self._since = min(self._since, window.since)
        self._last = max(last, window, key=lambda each: (each.until, each.since))

    def sums(self, num_others: int = 0) -> ServedSums:
        """Returns what was added; `num_others` is the number of windows of other versions."""
        return ServedSums(
            last=self._last,
            since=self._since,
            num_windows=self.num_windows,
            num_tiles=self._num_tiles,
            num_requests=self._num_requests,
            counted_tiles=self._counted_tiles,
            band_histogram=self._bands,
            predicted_tiles=self._predicted,
            num_others=num_others,
        )


def _names(uri: str, version: str) -> list[str]:
    root = storage.join(uri, version) if version else uri
    names = []
    for file in storage.list_files(root):
        if not file.path.endswith(_SUFFIX):
            continue
        if file.num_bytes > _MOST_BYTES:
            raise _too_large(storage.join(root, file.path), file)
        names.append(storage.join(root, file.path))
        if len(names) > _MOST_WINDOWS:
            raise SettingsError(
                f"more than {_MOST_WINDOWS:,} windows in {root!r}; give --version, or remove what is old"
            )
    return sorted(names)


def _too_large(uri: str, file: SourceFile) -> DataError:
    return DataError(f"{uri!r} has {file.num_bytes:,} bytes, and a window at most {_MOST_BYTES:,}; remove it")


def _read(uri: str) -> ServedWindow:
    try:
        return ServedWindow.checked(storage.read_bytes(uri), repr(uri))
    except FileNotFoundError as error:
        raise DataError(f"{uri!r} was removed while it was to be read; run it again") from error
