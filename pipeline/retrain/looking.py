"""Looks at a source: is it as it was, is it still being written, what are its tiles, and is that reason for a run?

What is asked first costs the least. The listing of an unchanged source is all that is ever read of it.
"""

import contextlib
import dataclasses
import datetime
import hashlib
from collections.abc import Iterator

import msgspec

from components import storage
from components.contracts import Sighting, Surveyed
from components.dataset.drift.compare import read_dataset
from components.dataset.drift.served_compare import compare_served
from components.dataset.drift.served_findings import ServedDrift
from components.dataset.drift.served_sums import read_served
from components.ingest.survey import PairedSource, paired_source
from components.progress import StepLog
from pipeline.parameters import Parameters
from pipeline.retrain.change_key import same_place
from pipeline.retrain.clock import Clock
from pipeline.retrain.reasons import SourceFindings
from pipeline.retrain.reference import Reference, find_reference, require_manifest
from pipeline.retrain.sightings import ListingDigest, read_sighting, write_sighting
from pipeline.retrain.tile_changes import compare_tiles
from pipeline.retrain.triggers import moment_of, utc_time

_SECONDS_PER_DAY = 86_400


class StillWritten(Exception):
    """The source is still being written, or may be.

    Attributes:
      until: When to look again.
    """

    def __init__(self, message: str, until: datetime.datetime) -> None:
        super().__init__(message)
        self.until = until


class Look:
    """A look at a source.

    Args:
      is_dry: Whether nothing may be written.

    Attributes:
      num_files: Files that it holds, whatever they are for.
    """

    def __init__(self, parameters: Parameters, log: StepLog, clock: Clock, *, is_dry: bool) -> None:
        self._parameters, self._log, self._clock, self._is_dry = parameters, log, clock, is_dry
        self._source_uri, self._data_root = same_place(parameters.run.source_uri), parameters.run.data_root
        self._settings_sha256 = settings_sha256(parameters)
        listing = ListingDigest()
        listing.add_all(storage.list_source(self._source_uri, log.line))
        self.num_files, self._listing_sha256 = listing.num_files, listing.hexdigest()
        seen, self._token = read_sighting(self._data_root, self._source_uri)
        self._seen = seen if seen is not None and self._is_like_this(seen) else None

    def _is_like_this(self, seen: Sighting) -> bool:
        """Tells whether it holds what was seen; what a clock in the future has seen would never settle."""
        return seen.listing_sha256 == self._listing_sha256 and moment_of(seen.first_seen_at) <= self._clock.now()

    @property
    def surveyed(self) -> Surveyed | None:
        """What the source holds, if it was seen like this before, by equal settings."""
        surveyed = self._seen.surveyed if self._seen else None
        return surveyed if surveyed and surveyed.settings_sha256 == self._settings_sha256 else None

    def require_settled(self, minutes: float) -> None:
        """Makes sure that the source has been as it is for a while.

        Raises:
          StillWritten: if it has not; when it was first seen like this is then written down.
        """
        now = self._clock.now()
        since = moment_of(self._seen.first_seen_at) if self._seen else now
        if self._seen is None and minutes:
            self._remember(None)
        until = since + datetime.timedelta(minutes=minutes)
        if now < until:
            raise StillWritten(
                f"seen like this since {utc_time(since)}; it must stay so for --settle-minutes={minutes:g}", until
            )

    def remember(self, surveyed: Surveyed) -> None:
        """Writes down what the source was found to hold, so that the next look need not find it again."""
        if self._seen is None or self._seen.surveyed != surveyed:
            self._remember(surveyed)

    def _remember(self, surveyed: Surveyed | None) -> None:
        if self._is_dry:
            return
        sighting = Sighting(
            source_uri=self._source_uri,
            listing_sha256=self._listing_sha256,
            num_files=self.num_files,
            first_seen_at=self._seen.first_seen_at if self._seen else utc_time(self._clock.now()),
            surveyed=surveyed,
        )
        with contextlib.suppress(storage.Conflict):  # another call saw the same, or another state: both are right
            write_sighting(self._data_root, sighting, self._token)
            self._seen, self._token = read_sighting(self._data_root, self._source_uri)

    @contextlib.contextmanager
    def tiles(self) -> Iterator[tuple[PairedSource, Surveyed]]:
        """Yields the tiles of the source, which is listed once more for it, and what to remember of them.

        Raises:
          StillWritten: if the source has changed since it was listed.
          DataError: if it is not fit to train on, as ingest would find too.
        """
        digest = ListingDigest()
        files = digest.add(storage.list_source(self._source_uri, self._log.line))
        data_root = "" if self._is_dry else self._data_root
        settings = self._parameters.ingest
        with paired_source(files, self._source_uri, settings, self._log, data_root=data_root) as paired:
            if digest.hexdigest() != self._listing_sha256:
                raise StillWritten("it changed while it was listed", self._clock.now())
            yield (
                paired,
                Surveyed(
                    settings_sha256=self._settings_sha256,
                    fingerprint=paired.table.fingerprint,
                    num_tiles=paired.table.num_tiles,
                ),
            )

    def compare(self, served: str) -> tuple[SourceFindings, Surveyed]:
        """Compares the source with what production, or its last run, was made of.

        Args:
          served: Where a server writes what it answered; empty for nowhere.
        """
        reference = find_reference(self._data_root, self._parameters.run.models_uri, self._source_uri)
        drift = _served(served, reference)
        surveyed, age = self.surveyed, self._age_days(reference)
        if reference is not None and surveyed is not None and _is_of(reference, surveyed):
            return SourceFindings(compared_with=reference.name, is_unchanged=True, age_days=age, served=drift), surveyed
        with self.tiles() as (paired, surveyed):
            if reference is None:
                return SourceFindings(served=drift), surveyed
            max_16_bit = self._parameters.ingest.max_16_bit
            lines = reference.tile_lines(self._data_root, max_16_bit, surveyed.fingerprint)
            is_unchanged = _is_of(reference, surveyed) or (
                lines is not None and surveyed.fingerprint.startswith(lines.fingerprint_start)
            )
            changes = None
            if lines is not None and not is_unchanged:
                changes = compare_tiles(lines.lines(self._data_root), paired.table, lines.folder)
        if is_unchanged:
            surveyed = msgspec.structs.replace(surveyed, manifest_sha256=reference.manifest_sha256)
        found = SourceFindings(
            compared_with=reference.name, is_unchanged=is_unchanged, changes=changes, age_days=age, served=drift
        )
        return found, surveyed

    def _age_days(self, reference: Reference | None) -> float | None:
        if reference is None or reference.since is None:
            return None
        return max(0.0, (self._clock.now() - moment_of(reference.since)).total_seconds() / _SECONDS_PER_DAY)


def settings_sha256(parameters: Parameters) -> str:
    """Returns what names the settings by which the files of a source are paired."""
    settings = msgspec.json.encode(dataclasses.asdict(parameters.ingest), order="sorted")
    return hashlib.sha256(settings).hexdigest()


def _is_of(reference: Reference, surveyed: Surveyed) -> bool:
    """Tells whether tiles are known to be those of the reference."""
    return surveyed.fingerprint == reference.fingerprint or (
        bool(reference.manifest_sha256) and surveyed.manifest_sha256 == reference.manifest_sha256
    )


def _served(place: str, reference: Reference | None) -> ServedDrift | None:
    if not place:
        return None
    manifest_uri = require_manifest(reference)
    return compare_served(read_served(place), read_dataset(manifest_uri))
