"""A source of a challenge release without pixels, and what ingest makes of a source."""

from pathlib import Path

import msgspec
from tile_listing import release_files, tile_name

from components import storage
from components.agrivision import CHALLENGE_2020
from components.contracts import Inventory, SourceTile
from components.ingest.inventory import build_inventory
from components.ingest.settings import IngestSettings
from components.progress import StepLog


def names(split: str, num_tiles: int) -> list[str]:
    return [tile_name(f"{split}{number // 4}", number % 4) for number in range(num_tiles)]


def challenge_paths(layout: str = CHALLENGE_2020) -> list[str]:
    return [
        *release_files(layout, "train", names("TRAIN", 40)),
        *release_files(layout, "val", names("VAL", 12)),
        *release_files(layout, "test", names("TEST", 8), labelled=False),
    ]


def build(source_uri: str, data_root: Path | str, **settings) -> Inventory:
    return build_inventory(
        source_uri, str(data_root), IngestSettings(**{"num_workers": 2, **settings}), StepLog("ingest")
    )


def tiles_of(inventory: Inventory, data_root: Path | str) -> list[SourceTile]:
    return [
        msgspec.json.decode(line, type=SourceTile)
        for partition in inventory.partitions
        for line in storage.read_bytes(storage.join(str(data_root), partition.path)).splitlines()
    ]


def split_counts(inventory: Inventory) -> dict[str, int]:
    counts = dict.fromkeys(("train", "val", "test"), 0)
    for partition in inventory.partitions:
        for shard in partition.shards:
            counts[shard.split] += shard.num_tiles
    return counts
