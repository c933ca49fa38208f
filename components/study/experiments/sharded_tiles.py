"""Tiles on their way to a manifest, as the pipeline's steps would take them."""

from pathlib import Path

from components.contracts import Inventory
from components.ingest.inventory import build_inventory
from components.ingest.settings import IngestSettings
from components.merge.merge import merge_shards
from components.progress import StepLog
from components.shard.writer import shard_partition

MANIFEST = "manifest.json"


def shard_tiles(source: Path, root: Path, settings: IngestSettings) -> None:
    """Writes the shards of the tiles in `source` to `root`, an existing folder, with a manifest and a report."""
    inventory, receipts = str(root / "inventory.json"), []
    build_inventory(str(source), str(root), settings, StepLog("ingest")).write(inventory)
    for partition in Inventory.read(inventory).partitions:
        receipts.append(str(root / f"receipts-{partition.index}.json"))
        shard_partition(inventory, str(partition.index), str(root), receipts[-1], StepLog("shard"))
    manifest, report = str(root / MANIFEST), str(root / "report.html")
    merge_shards(inventory, receipts, str(root), manifest, report, StepLog("merge"))
