"""Explains the plan of the shards: where every number comes from."""

import dataclasses
from collections.abc import Mapping

from components import storage
from components.agrivision import SPLITS
from components.errors import SettingsError
from components.ingest.planner import (
    MB,
    SHARDS_PER_WORKER,
    SMALLEST_SHARD_MB,
    SplitSize,
    num_shards,
    shards_by_size,
    shards_for_workers,
    sizes_of,
)
from components.ingest.settings import IngestSettings
from components.ingest.stored_bytes import expected_bytes
from components.ingest.survey import survey_source
from components.progress import StepLog

_STEADY = "so that most shards stay the same when tiles are added"


@dataclasses.dataclass(frozen=True)
class SplitPlan:
    """The shards of one split.

    Attributes:
      num_bytes: Approximate size of the tiles as stored.
      reason: Why the split has this number of shards.
    """

    split: str
    num_tiles: int
    num_bytes: int
    num_shards: int
    num_workers: int
    reason: str

    def __str__(self) -> str:
        line = (
            f"{self.split}: {self.num_tiles:,} tiles, {self.num_bytes / MB:,.1f} MB in {_shards(self.num_shards)} of "
            f"{self.num_bytes / self.num_shards / MB:,.1f} MB on average"
        )
        if self.split == "train":
            line += f", {self.num_shards / self.num_workers:.3g} per worker"
        return f"{line}\n  {self.reason}"


def explain_plan(source_uri: str, num_tiles: int, tile_kb: int, settings: IngestSettings, log: StepLog) -> list[str]:
    """Returns the plan as text for a person, one entry per split.

    Args:
      source_uri: The source to list; empty if only its size is known.
      num_tiles, tile_kb: That size; `num_tiles` is 0 if there is a source.

    Raises:
      DataError: if the source is not a usable dataset.
      SettingsError: if there is neither a source nor a size, or both; or if the settings do not fit.
    """
    if bool(source_uri) == bool(num_tiles):
        raise SettingsError("plan needs either --source-uri or --num-tiles")
    lines = []
    if source_uri:
        with survey_source(storage.list_source(source_uri, log.line), source_uri, settings, log) as survey:
            lines.append(f"{survey.table.num_tiles:,} tiles in layout {survey.layout}, split {survey.split_origin}")
            sizes = sizes_of(survey.table, survey.split_of)
    else:
        sizes = expected_sizes(num_tiles, tile_kb, settings.val_percent, settings.test_percent, settings.tile_size_px)
    if settings.tile_size_px:
        lines.append(f"larger tiles are scaled down to {settings.tile_size_px} px; their stored size is an estimate")
    return lines + [str(split) for split in plan_splits(sizes, settings.shard_size_mb, settings.num_workers)]


def plan_splits(sizes: Mapping[str, SplitSize], shard_size_mb: int, num_workers: int) -> list[SplitPlan]:
    """Returns the plan of each split that has tiles.

    Raises:
      SettingsError: if there are fewer train tiles than workers.
    """
    plans = []
    for split in SPLITS:
        num_tiles, num_bytes = sizes.get(split, (0, 0))
        if num_tiles:
            count = num_shards(split, num_tiles, num_bytes, shard_size_mb, num_workers)
            reason = explain_shards(split, num_tiles, num_bytes, shard_size_mb, num_workers)
            plans.append(SplitPlan(split, num_tiles, num_bytes, count, num_workers, reason))
    return plans


def explain_shards(split: str, num_tiles: int, num_bytes: int, shard_size_mb: int, num_workers: int) -> str:
    """Explains the result of planner.num_shards, with every number on the way."""
    filled, by_size = max(1, -(-num_bytes // (shard_size_mb * MB))), shards_by_size(num_bytes, shard_size_mb)
    enough, fitting = SHARDS_PER_WORKER * num_workers, num_bytes // (SMALLEST_SHARD_MB * MB)
    wanted = max(by_size, shards_for_workers(num_bytes, num_workers), num_workers) if split == "train" else by_size
    reason = f"{shard_size_mb} MB each would give {filled:,}"
    if wanted == by_size != filled:
        reason += f"; rounded to {by_size:,}, {_STEADY}"
    if split != "train":
        reason += "; only train is divided among workers"
    else:
        too_small = f"because shards below {SMALLEST_SHARD_MB} MB are slow to read"
        if wanted == by_size >= enough:
            reason += f"; {_workers(num_workers)} would need only {enough:,}"
        elif wanted == by_size:
            reason += f"; not {enough:,}, {SHARDS_PER_WORKER} per worker, {too_small}"
        elif wanted > fitting:
            fit = f"only {fitting:,}" if fitting else "none"
            reason += (
                f"; raised to {wanted:,}, so that each of {_workers(num_workers)} has one to read, "
                f"though {fit} would reach the {SMALLEST_SHARD_MB} MB that are fast to read"
            )
        elif wanted == enough:
            reason += (
                f"; raised to {wanted:,}, so that {_workers(num_workers)} have "
                f"{SHARDS_PER_WORKER} each to shuffle and divide; more would gain nothing"
            )
        else:
            reason += (
                f"; raised to {wanted:,}, so that {_workers(num_workers)} can shuffle and divide them; "
                f"not {enough:,}, {SHARDS_PER_WORKER} each, {too_small}"
            )
            if wanted < fitting:
                reason += f", and not {fitting:,}, {_STEADY}"
    if num_tiles < wanted:
        reason += f"; lowered to {num_tiles:,}, because there are no more tiles"
    return reason


def _shards(count: int) -> str:
    return f"{count:,} shard" + ("" if count == 1 else "s")


def _workers(count: int) -> str:
    return f"{count:,} worker" + ("" if count == 1 else "s")


def expected_sizes(
    num_tiles: int, tile_kb: int, val_percent: int, test_percent: int, tile_size_px: int = 0
) -> dict[str, SplitSize]:
    """Returns tiles and stored bytes by split, for a source of which only the size is known.

    Raises:
      SettingsError: if there is not a tile for every split, or a tile has no size.
    """
    if tile_kb < 1:
        raise SettingsError(f"tile_kb must be at least 1, got {tile_kb}")
    if num_tiles < len(SPLITS):
        raise SettingsError(f"num_tiles must be at least {len(SPLITS)}, one for each split, got {num_tiles}")
    counts = {"val": max(1, num_tiles * val_percent // 100), "test": max(1, num_tiles * test_percent // 100)}
    counts["train"] = num_tiles - sum(counts.values())
    return {split: (count, count * expected_bytes(tile_kb, tile_size_px)) for split, count in counts.items()}
