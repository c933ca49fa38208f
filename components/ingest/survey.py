"""Surveys a source: lists it, recognises its layout, pairs its files and splits it by field.

Reads no pixels, and of the images only those of equal size, to keep equal ones in one split.

However many tiles there are, they are never all in memory. Files go to a temporary database in listing order and come
back sorted by name, so that the files of a tile are together; tiles go to a second database, with their fields. That
takes about 1 kB of temporary disk per tile, and 0.6 kB more while the partition files are written. Memory holds the
data of folders, shards and classes, one byte per field, and 50 bytes per field that is divided by its classes.
"""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping

from components.agrivision import CLASS_FOLDERS, PAPER_2020
from components.contracts import IgnoredFiles, MissingMasks, NearPictures, SourceFile, WhyIgnored
from components.dataset.list_file import BAD_TILES, where_all_are
from components.dataset.temporary_database import CACHE_KB, temporary_database
from components.errors import DataError, SettingsError
from components.ignored import LeftOut, few_rows, ignored_line
from components.ingest.bands import FirstTile, has_near_infrared
from components.ingest.class_folders import ClassFolderPairing
from components.ingest.field_stats import stated_annotations
from components.ingest.layouts import SPLIT_FOLDERS, FolderCount, class_of, recognise_layout
from components.ingest.listing import Listing
from components.ingest.official_split import read_split_file, stated_splits
from components.ingest.pairing import Pairing, ReleasePairing
from components.ingest.refusals.limit import require_few_ignored
from components.ingest.refusals.lost_classes import require_matching_masks, require_whole_links
from components.ingest.refusals.missing_masks import (
    missing_line,
    missing_masks,
    require_masks_of_tiles,
    unlabelled_lines,
)
from components.ingest.refusals.wrong_folder import one_split_note, require_pictures
from components.ingest.repeats.together import keep_together
from components.ingest.settings import ANYWHERE, NEAR, IngestSettings, class_list
from components.ingest.splits import assign_splits, is_official
from components.ingest.tile_table import TileTable
from components.progress import Progress, StepLog

_SECONDS_PER_LINE = 10.0  # between two lines of the log
_NUM_REASONS = 3  # listed in an error


@dataclasses.dataclass(frozen=True)
class PairedSource:
    """The tiles of a source, before they are divided into splits; known from names and documents alone.

    Attributes:
      classes: The class list.
      num_unlabelled: Tiles set aside because their official split has no labels.
      num_files: Files that the source holds, without those that are left out whatever the layout.
      num_used: Those of good tiles, and those that state an official split; `num_rejected` those of rejected tiles.
      ignored, missing_masks: As in the inventory.
      folders: File counts by folder.
      first: The RGB file of the first tile.
    """

    layout: str
    classes: tuple[str, ...]
    num_unlabelled: int
    num_files: int
    num_used: int
    num_rejected: int
    ignored: tuple[IgnoredFiles, ...]
    missing_masks: tuple[MissingMasks, ...]
    table: TileTable
    folders: Mapping[str, FolderCount]
    first: SourceFile | None


@dataclasses.dataclass(frozen=True)
class Survey(PairedSource):
    """What a source holds, divided into splits.

    Attributes:
      has_nir: Whether its tiles have near infrared.
      split_of: The split of each field, as an index into SPLITS; `split_origin` says how it was made.
      near: Pictures that look alike, if those were looked for and found.
    """

    has_nir: bool
    split_of: bytearray
    split_origin: str
    near: NearPictures | None = None


@contextlib.contextmanager
def survey_source(
    files: Iterable[SourceFile | LeftOut],
    source_uri: str,
    settings: IngestSettings,
    log: StepLog,
    cache_kb: int = CACHE_KB,
    data_root: str = "",
) -> Iterator[Survey]:
    """Yields what the source holds; its tiles are deleted when the context ends.

    Args:
      files: What the source holds, in any order, e.g. from storage.list_source; nothing else is looked for.
      source_uri: For messages, and for the files that state the official split.
      cache_kb: Memory of each of the two temporary databases.
      data_root: Where a refusal lists all that is bad; empty for nowhere.

    Raises:
      DataError: if the source is not a usable dataset.
      SettingsError: if the settings do not fit the source, or the temporary disk is full.
    """
    with paired_source(files, source_uri, settings, log, cache_kb, data_root) as paired:
        table, layout = paired.table, paired.layout
        has_nir = has_near_infrared(settings.bands, layout, paired.folders, paired.first, source_uri, log)
        near = None
        if settings.duplicates != ANYWHERE and not is_official(table) and not table.num_mixed:
            is_near = settings.duplicates == NEAR
            near = keep_together(table, source_uri, data_root, layout == CLASS_FOLDERS, is_near, log)
            _require_few_rejected(table, paired.num_unlabelled, source_uri, settings.max_bad_fraction, data_root)
        split_of, origin = assign_splits(table, settings.val_percent, settings.test_percent, source_uri, data_root)
        yield Survey(**vars(paired), has_nir=has_nir, split_of=split_of, split_origin=origin, near=near)


@contextlib.contextmanager
def paired_source(
    files: Iterable[SourceFile | LeftOut],
    source_uri: str,
    settings: IngestSettings,
    log: StepLog,
    cache_kb: int = CACHE_KB,
    data_root: str = "",
) -> Iterator[PairedSource]:
    """Yields the tiles of a source, without opening a single image. Arguments and errors are those of survey_source."""
    with temporary_database(cache_kb) as database:
        table = TileTable(database, settings.seed, settings.tile_size_px)
        with temporary_database(cache_kb) as listed:
            listing = Listing(listed)
            listing.add(files, source_uri, Progress(log, None, "files listed", _SECONDS_PER_LINE))
            layout, pairing = _pairing(listing, source_uri, settings, table)
            if settings.label_masks and layout == CLASS_FOLDERS:
                raise SettingsError(
                    f"shard_label_masks stores which pixels show a class, but {source_uri!r} has the layout {layout}, "
                    "which gives classes by tile only; leave it off"
                )
            if pairing.left_aside:
                counts = ", ".join(f"{count:,} of {name}" for name, count in pairing.left_aside.items())
                log.line(f"set aside because their class is not in the class list: {counts}")
            first = FirstTile()
            progress = Progress(log, None, "tiles paired", _SECONDS_PER_LINE)
            for group in listing.groups():
                before = table.num_tiles
                table.add(first.noted(pairing.pair(group)))
                progress.advance(table.num_tiles - before)
            folders = listing.folders
        table.finish()
        ignored, missing = _account_for(listing, layout, pairing, source_uri, settings, log)
        _require_few_rejected(table, pairing.num_unlabelled, source_uri, settings.max_bad_fraction, data_root)
        yield PairedSource(
            layout=layout,
            classes=pairing.classes,
            num_unlabelled=pairing.num_unlabelled,
            num_files=listing.num_files,
            num_used=pairing.account.num_used,
            num_rejected=pairing.account.num_rejected,
            ignored=ignored,
            missing_masks=missing,
            table=table,
            folders=folders,
            first=first.rgb,
        )


def _pairing(listing: Listing, source_uri: str, settings: IngestSettings, table: TileTable) -> tuple[str, Pairing]:
    """Returns the layout, and what pairs its files, after reading everything but the images."""
    classes = class_list(settings.classes)
    layout = recognise_layout(listing.folders, settings.layout, source_uri, classes)
    if layout == CLASS_FOLDERS:
        return layout, ClassFolderPairing(listing.folders, classes, source_uri)
    if layout == PAPER_2020:
        for file in sorted(listing.split_files, key=lambda file: file.path):
            table.add_to_fingerprint(file)
            content = read_split_file(source_uri, file)  # one at a time, so only the largest must fit in memory
            listing.state_splits(stated_splits(content), file.path)
            listing.state_annotations(stated_annotations(content))
    return layout, ReleasePairing(listing.folders, layout, listing.has_splits, source_uri, classes)


def _account_for(
    listing: Listing, layout: str, pairing: Pairing, source_uri: str, settings: IngestSettings, log: StepLog
) -> tuple[tuple[IgnoredFiles, ...], tuple[MissingMasks, ...]]:
    """Says what is ignored and which masks are missing, and refuses a source of which that is too much."""
    account = pairing.account
    listing.ignored.merge(account.ignored)
    _note_empty_classes(listing, layout)
    ignored = listing.ignored.rows()
    missing = () if layout == CLASS_FOLDERS else missing_masks(account.num_tiles, account.tiles_with)
    note = one_split_note(source_uri) if layout == CLASS_FOLDERS and not listing.has_split_folders else ""
    for line in filter(None, (ignored_line(ignored), *unlabelled_lines(ignored), missing_line(missing), note)):
        log.line(line)
    require_pictures(account.num_alike, account.num_png_names, source_uri)
    require_whole_links(ignored, account.num_labels, layout, source_uri)
    require_matching_masks(ignored, account.num_labels, source_uri)
    limit = settings.max_ignored_fraction
    require_few_ignored(ignored, account.num_used + account.num_rejected, account.files_of_class(), source_uri, limit)
    require_masks_of_tiles(missing, account.num_tiles, account.tiles_with, source_uri, limit)
    return few_rows(ignored), missing


def _note_empty_classes(listing: Listing, layout: str) -> None:
    """Counts the class folders that hold nothing; those of a release may, where no tile shows the class."""
    if layout != CLASS_FOLDERS:
        return
    has_splits = listing.has_split_folders
    # A bucket says of every folder that it is there, even where it holds others.
    filled = {start for folder in listing.folders for start in itertools.accumulate(folder.split("/"), "{}/{}".format)}
    for folder in listing.empty_folders - filled:
        if (class_name := class_of(folder, has_splits)) is not None:
            split = SPLIT_FOLDERS.get(folder.partition("/")[0].lower(), "") if has_splits else ""
            listing.ignored.add(WhyIgnored.EMPTY_FOLDER, class_name, split, folder)


def _require_few_rejected(table: TileTable, num_unlabelled: int, source_uri: str, limit: float, data_root: str) -> None:
    """Refuses a source that has too many bad tiles, or no good one."""
    num_rejected, num_tiles = table.num_rejected, table.num_tiles + table.num_rejected
    if not num_tiles:
        raise DataError(f"no labelled tile under {source_uri!r}, but {num_unlabelled:,} without labels")
    if table.num_tiles and num_rejected <= limit * num_tiles:
        return
    reasons = "; ".join(f"{bad.tile_id}: {bad.reason}" for bad in table.rejected(_NUM_REASONS))
    more = f"; and {num_rejected - _NUM_REASONS:,} more" if num_rejected > _NUM_REASONS else ""
    if more or data_root:
        rows = ((bad.tile_id, bad.reason) for bad in table.rejected())
        more += where_all_are(data_root, "bad-tiles", BAD_TILES, rows)
    raise DataError(
        f"{num_rejected:,} of {num_tiles:,} tiles under {source_uri!r} are bad, {num_rejected / num_tiles:.1%}, "
        f"more than ingest_max_bad_fraction={limit:g} allows: {reasons}{more}"
    )
