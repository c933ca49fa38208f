"""Takes stock of a source: which tiles there are, their split, their shard and their partition. Reads no pixels."""

import collections
import dataclasses
import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from components import storage
from components.agrivision import BANDS, CLASS_FOLDERS, PAPER_2020, RGB_BANDS, SPLITS
from components.contracts import Inventory, Partition, SourceFile, SourceTile
from components.errors import DataError, SettingsError
from components.ingest.class_folders import find_images
from components.ingest.field_stats import annotated, read_annotations
from components.ingest.layouts import recognise_layout
from components.ingest.official_split import is_split_file, read_official_split
from components.ingest.pairing import Pairing, pair_release
from components.ingest.planner import FilledShard, fill_shards, share_out
from components.ingest.settings import IngestSettings, class_list
from components.ingest.splits import assign_splits
from components.progress import StepLog

INVENTORIES_FOLDER = "inventories"
_FILES_PER_LINE = 100_000  # listed between two lines of the log; on a bucket, some 20 seconds
_NUM_REASONS = 3  # in an error


@dataclasses.dataclass(frozen=True)
class Survey:
    """What a source holds.

    Attributes:
      tiles: Those of the pairing, each with its split.
      split_files: What the official split was read from.
    """

    layout: str
    pairing: Pairing
    tiles: list[SourceTile]
    split_origin: str
    split_files: list[SourceFile]


def build_inventory(source_uri: str, data_root: str, settings: IngestSettings, log: StepLog) -> Inventory:
    """Lists and pairs the source, splits it by field, plans its shards, and writes the partition files to `data_root`.

    Equal files and settings give equal bytes, in whatever order the source is listed.

    Raises:
      DataError: if the source is not a usable dataset.
      SettingsError: if the settings do not fit the source, or nothing can be written to `data_root`.
    """
    survey = survey_source(source_uri, settings, log)
    layout, pairing, tiles = survey.layout, survey.pairing, survey.tiles
    bands = RGB_BANDS if layout == CLASS_FOLDERS else BANDS
    shards = fill_shards(
        tiles,
        seed=settings.seed,
        shard_size_mb=settings.shard_size_mb,
        num_workers=settings.num_workers,
        layout=layout,
        classes=pairing.classes,
        bands=bands,
        min_class_fraction=settings.min_class_fraction,
    )
    shares = share_out(shards, settings.num_partitions)
    if len(shares) < settings.num_partitions:
        log.line(f"{len(shares)} partitions instead of {settings.num_partitions}, as there are only as many shards")
    fingerprint = _fingerprint([*survey.split_files, *(file for tile in tiles for file in _files_of(tile))])
    inventory = Inventory(
        source_uri=source_uri,
        layout=layout,
        classes=pairing.classes,
        bands=bands,
        seed=settings.seed,
        split_origin=survey.split_origin,
        fingerprint=fingerprint,
        num_tiles=len(tiles),
        num_fields=len({tile.field_id for tile in tiles}),
        num_unlabelled=pairing.num_unlabelled,
        min_class_fraction=settings.min_class_fraction,
        max_bad_fraction=settings.max_bad_fraction,
        partitions=_write_partitions(shares, data_root, fingerprint, settings),
        rejected=tuple(sorted(pairing.rejected)),
    )
    log.summary = _summary(inventory, shards)
    return inventory


def survey_source(source_uri: str, settings: IngestSettings, log: StepLog) -> Survey:
    """Lists and pairs the source and splits it by field; writes nothing.

    Raises:
      DataError: if the source is not a usable dataset.
      SettingsError: if the settings do not fit the source.
    """
    files = _listed(source_uri, log)
    classes = class_list(settings.classes)
    layout = recognise_layout([file.path for file in files], settings.layout, source_uri, classes)
    pairing, split_files = _paired(files, layout, source_uri, classes)
    if pairing.left_aside:
        counts = ", ".join(f"{count:,} of {name}" for name, count in pairing.left_aside.items())
        log.line(f"left aside, as their class is not in the class list: {counts}")
    _require_few_rejected(pairing, source_uri, settings.max_bad_fraction)
    tiles, split_origin = assign_splits(
        pairing.tiles, settings.seed, settings.val_percent, settings.test_percent, source_uri
    )
    return Survey(layout, pairing, tiles, split_origin, split_files)


def _listed(source_uri: str, log: StepLog) -> list[SourceFile]:
    files = []
    for file in storage.list_files(source_uri):
        files.append(file)
        if len(files) % _FILES_PER_LINE == 0:
            log.line(f"{len(files):,} files listed")
    return files


def _paired(
    files: Sequence[SourceFile], layout: str, source_uri: str, classes: tuple[str, ...]
) -> tuple[Pairing, list[SourceFile]]:
    """Returns the tiles, and the files that their official split was read from."""
    split_files = [file for file in files if layout == PAPER_2020 and is_split_file(file.path)]
    if layout == CLASS_FOLDERS:
        return find_images(files, classes, source_uri), []
    pairing = pair_release(files, layout, read_official_split(source_uri, split_files), source_uri, classes)
    tiles = annotated(pairing.tiles, read_annotations(source_uri, split_files))
    return dataclasses.replace(pairing, tiles=tiles), split_files


def _require_few_rejected(pairing: Pairing, source_uri: str, limit: float) -> None:
    """Refuses a source that has too many bad tiles to be merely untidy, or no good one."""
    rejected, num_tiles = sorted(pairing.rejected), len(pairing.tiles) + len(pairing.rejected)
    if not num_tiles:
        raise DataError(f"no labelled tile under {source_uri!r}, but {pairing.num_unlabelled:,} without labels")
    if pairing.tiles and len(rejected) <= limit * num_tiles:
        return
    reasons = "; ".join(f"{bad.tile_id}: {bad.reason}" for bad in rejected[:_NUM_REASONS])
    more = f"; and {len(rejected) - _NUM_REASONS:,} more" if len(rejected) > _NUM_REASONS else ""
    raise DataError(
        f"{len(rejected):,} of {num_tiles:,} tiles under {source_uri!r} are bad, {len(rejected) / num_tiles:.1%}, "
        f"more than ingest_max_bad_fraction={limit:g} allows: {reasons}{more}"
    )


def _files_of(tile: SourceTile) -> Iterable[SourceFile]:
    return (file for file in (tile.rgb, tile.nir, tile.boundary, tile.mask, *tile.labels.values()) if file is not None)


def _fingerprint(files: Iterable[SourceFile]) -> str:
    lines = sorted(msgspec.json.encode(file) for file in files)
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def _write_partitions(
    shares: Sequence[Sequence[FilledShard]], data_root: str, fingerprint: str, settings: IngestSettings
) -> tuple[Partition, ...]:
    """Writes the partition files that are not there yet, and returns the partitions."""
    plan = [[shard.planned for shard in share] for share in shares]
    digest = hashlib.sha256(msgspec.json.encode([dataclasses.asdict(settings), plan], order="sorted")).hexdigest()
    folder = f"{INVENTORIES_FOLDER}/{fingerprint[:16]}-{digest[:8]}"
    partitions = []
    for index, share in enumerate(shares):
        lines = [msgspec.json.encode(tile, order="sorted") + b"\n" for shard in share for tile in shard.tiles]
        path = f"{folder}/partition-{index:05d}.jsonl"
        _write(storage.join(data_root, path), b"".join(lines))
        shards = tuple(shard.planned for shard in share)
        partitions.append(Partition(index=index, path=path, num_tiles=len(lines), shards=shards))
    return tuple(partitions)


def _write(uri: str, content: bytes) -> None:
    try:
        # The name follows from the content, so that an equal size is enough.
        if storage.size(uri) != len(content):
            storage.write_bytes(uri, content)
    except OSError as error:
        raise SettingsError(f"cannot write {uri!r}: {error.strerror}; data_root must be writable") from error


def _summary(inventory: Inventory, shards: Sequence[FilledShard]) -> str:
    tiles: collections.Counter[str] = collections.Counter()
    for shard in shards:
        tiles[shard.planned.split] += shard.planned.num_tiles
    by_split = ", ".join(f"{tiles[split]:,} {split}" for split in SPLITS)
    text = (
        f"found {inventory.num_tiles:,} tiles of {inventory.num_fields:,} fields in layout {inventory.layout} "
        f"({by_split}; split {inventory.split_origin})"
    )
    if inventory.rejected:
        text += f", {len(inventory.rejected):,} rejected"
    if inventory.num_unlabelled:
        text += f", {inventory.num_unlabelled:,} without labels left aside"
    return f"{text}; planned {len(shards):,} shards in {len(inventory.partitions)} partitions"
