"""What a version's servers say that they have answered: from their /metrics and their sums for drift."""

import dataclasses
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families

from components.contracts import ServedWindow
from components.dataset.drift.served_sums import ServedSums, added_up
from components.errors import DataError, SettingsError, UnreachableError

_PREFIX = "agrivision_serve_"
_MOST_BYTES = 4 << 20  # of an answer
_SECONDS = 30.0
_SERVER_ERRORS = range(500, 600)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observed:
    """What one version's servers answered, all together.

    Attributes:
      requests, errors: Requests that no client spoiled, and those of them that got a status of 500 or above.
      within: Requests by the seconds that they took at most, cumulative, as Prometheus counts them; math.inf is all.
      tiles, tile_requests: Tiles that were answered, and the requests that held them.
      predicted: Tiles that were given the class, int64 [C].
      band_histogram: Valid pixels by value, int64 [bands, 256].
      served: What is the same in all servers of the version.
    """

    served: ServedSums
    requests: int
    errors: int
    within: Mapping[float, int]
    tiles: int
    tile_requests: int
    predicted: NDArray[np.int64]
    band_histogram: NDArray[np.int64]

    @property
    def version(self) -> str:
        """The version's name."""
        return self.served.last.version

    def since(self, earlier: "Observed") -> "Observed":
        """Returns what was answered after an earlier look.

        Raises:
          DataError: if another version answers now, or a server was started anew.
        """
        after = Observed(
            served=self.served,
            requests=self.requests - earlier.requests,
            errors=self.errors - earlier.errors,
            within={limit: number - earlier.within.get(limit, 0) for limit, number in self.within.items()},
            tiles=self.tiles - earlier.tiles,
            tile_requests=self.tile_requests - earlier.tile_requests,
            predicted=self.predicted - earlier.predicted,
            band_histogram=self.band_histogram - earlier.band_histogram,
        )
        counts = (after.requests, after.errors, after.tiles, after.tile_requests, *after.within.values())
        if self.version != earlier.version or min(counts) < 0:
            raise DataError(
                f"the servers of {earlier.version} were started anew, or serve another version, while they were "
                "watched; run it again"
            )
        return after


def observe(addresses: Sequence[str], name: str) -> Observed:
    """Asks the servers of one version.

    Args:
      addresses: Of all servers of the version, as in http://127.0.0.1:8000.
      name: Of the model in their paths.

    Raises:
      SettingsError: if an address is none.
      UnreachableError: if a server does not answer.
      DataError: if what it answers is not what agrivision serve does, or the servers have several versions.
    """
    windows: list[ServedWindow] = []
    requests = errors = 0
    within: dict[float, int] = {}
    for address in addresses:
        window = ServedWindow.checked(_get(address, f"/v2/models/{urllib.parse.quote(name, safe='')}/drift"), address)
        metrics = _metrics(address)
        if metrics.get(("swaps_total", ""), 0):
            raise DataError(
                f"{address} has changed its model since it began, so its counts are those of several versions; "
                "serve the folders of two versions, or start it anew"
            )
        windows.append(window)
        for (metric, label), value in metrics.items():
            if metric == "requests_total" and not 400 <= int(label) < 500:
                requests += value
                errors += value if int(label) in _SERVER_ERRORS else 0
            elif metric == "request_seconds_bucket":
                within[float(label)] = within.get(float(label), 0) + value
    versions = sorted({window.version for window in windows})
    if len(versions) > 1:
        raise DataError(f"{', '.join(addresses)} serve several versions, {', '.join(versions)}; expected one")
    if math.inf not in within:
        raise DataError(f"{addresses[0]}/metrics has no request_seconds; is it the address of agrivision serve?")
    served = added_up(windows)
    return Observed(
        served=served,
        requests=requests,
        errors=errors,
        within=within,
        tiles=served.num_tiles,
        tile_requests=served.num_requests,
        predicted=served.predicted_tiles,
        band_histogram=served.band_histogram,
    )


def _metrics(address: str) -> dict[tuple[str, str], int]:
    """Returns the counts of a server by their names, without the prefix, and their labels' values."""
    found: dict[tuple[str, str], int] = {}
    text = _get(address, "/metrics").decode(errors="replace")
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name.startswith(_PREFIX) and len(sample.labels) <= 1:
                    label = next(iter(sample.labels.values()), "")
                    if sample.name.endswith("_bucket"):
                        float(label)
                    elif "code" in sample.labels:
                        int(label)
                    if not (math.isfinite(sample.value) and sample.value >= 0):
                        raise ValueError(f"{sample.name} is {sample.value}")
                    found[sample.name.removeprefix(_PREFIX), label] = int(sample.value)
    except (ValueError, IndexError, KeyError) as error:
        raise DataError(f"{address}/metrics is not what Prometheus reads: {str(error)[:200]!r}") from error
    return found


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirection, which could lead anywhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _get(address: str, path: str) -> bytes:
    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"{address!r} is no server's address; expected one as http://127.0.0.1:8000")
    url = f"{address.rstrip('/')}{path}"
    try:
        with urllib.request.build_opener(_NoRedirect).open(url, timeout=_SECONDS) as response:
            content: bytes = response.read(_MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 503:
            raise UnreachableError(f"{url} has no model that answers yet; run it again") from error
        raise DataError(
            f"{url} answers {error.code}; is it the address of agrivision serve, and --name right?"
        ) from error
    except (OSError, ValueError) as error:
        raise UnreachableError(f"{url} does not answer: {getattr(error, 'reason', error)}; is it running?") from error
    if len(content) > _MOST_BYTES:
        raise DataError(f"{url} answers more than {_MOST_BYTES >> 20} MiB; is it the address of agrivision serve?")
    return content
