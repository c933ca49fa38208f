"""Turns a source into its inventory and the plan of its shards."""

import functools
from collections.abc import Iterable

from components import storage, words
from components.agrivision import BANDS, RGB_BANDS, SPLITS
from components.contracts import Inventory, SourceFile
from components.dataset.temporary_database import CACHE_KB
from components.ignored import LeftOut
from components.ingest.partition_files import write_partitions
from components.ingest.planner import Deal, SplitSize, num_shards, sizes_of
from components.ingest.settings import IngestSettings
from components.ingest.survey import Survey, survey_source
from components.progress import Progress, StepLog
from components.source_digest import SourceDigest
from components.storage.mounts import bucket_note

_SECONDS_PER_LINE = 10.0  # between two lines of the log


def build_inventory(source_uri: str, data_root: str, settings: IngestSettings, log: StepLog) -> Inventory:
    """Lists and pairs the source, splits it by field, plans its shards, and writes the partition files to `data_root`.

    Equal files and settings give equal bytes, in whatever order the source is listed.

    Raises:
      DataError: if the source is not a usable dataset.
      SettingsError: if the settings do not fit the source, or nothing can be written to `data_root`.
    """
    if not storage.is_remote(data_root) and (note := bucket_note("data_root", data_root)):
        log.line(note)
    return inventory_of(storage.list_source(source_uri, log.line), source_uri, data_root, settings, log)


def inventory_of(
    files: Iterable[SourceFile | LeftOut],
    source_uri: str,
    data_root: str,
    settings: IngestSettings,
    log: StepLog,
    cache_kb: int = CACHE_KB,
) -> Inventory:
    """Does the work of build_inventory for files that are already listed; see survey.survey_source."""
    with survey_source(files, source_uri, settings, log, cache_kb, data_root) as survey:
        table, sizes = survey.table, sizes_of(survey.table, survey.split_of)
        counts = {
            split: num_shards(split, *sizes[split], settings.shard_size_mb, settings.num_workers) for split in SPLITS
        }
        deal = Deal(table, survey.split_of, counts, settings.num_partitions)
        if deal.num_partitions < settings.num_partitions:
            log.line(
                f"{deal.num_partitions} partitions instead of {settings.num_partitions}, "
                "because there are no more shards"
            )
        bands = BANDS if survey.has_nir else RGB_BANDS
        new_digest = functools.partial(
            SourceDigest,
            layout=survey.layout,
            classes=survey.classes,
            bands=bands,
            min_class_fraction=settings.min_class_fraction,
            tile_size_px=settings.tile_size_px,
            max_16_bit=settings.max_16_bit,
            label_masks=settings.label_masks,
        )
        progress = Progress(log, None, "tiles planned", _SECONDS_PER_LINE)
        inventory = Inventory(
            source_uri=source_uri,
            layout=survey.layout,
            classes=survey.classes,
            bands=bands,
            seed=settings.seed,
            split_origin=survey.split_origin,
            fingerprint=table.fingerprint,
            num_tiles=table.num_tiles,
            num_fields=table.num_fields - table.num_emptied,
            num_unlabelled=survey.num_unlabelled,
            min_class_fraction=settings.min_class_fraction,
            max_bad_fraction=settings.max_bad_fraction,
            tile_size_px=settings.tile_size_px,
            max_16_bit=settings.max_16_bit,
            label_masks=settings.label_masks,
            data_licence=settings.data_licence,
            partitions=write_partitions(table, deal, new_digest, data_root, progress),
            rejected=tuple(table.rejected()),
            ignored=survey.ignored,
            missing_masks=survey.missing_masks,
            near=survey.near,
        )
        log.summary = _summary(inventory, survey, sizes, sum(counts.values()))
    return inventory


def _summary(inventory: Inventory, survey: Survey, sizes: dict[str, SplitSize], total: int) -> str:
    origin = words.origin(survey.split_origin, inventory.num_tiles, inventory.num_fields, inventory.layout)
    by_split = ", ".join(f"{sizes[split][0]:,} {split}" for split in SPLITS)
    text = (
        f"found {words.counted(inventory.num_tiles, inventory.num_fields, inventory.layout)} in layout "
        f"{inventory.layout} ({by_split}; split {origin})"
    )
    if inventory.rejected:
        text += f", {len(inventory.rejected):,} rejected"
    if inventory.num_unlabelled:
        text += f", {inventory.num_unlabelled:,} without labels set aside"
    return f"{text}; planned {total:,} shards in {len(inventory.partitions)} partitions"
