"""Shards and merges a small source, as the pipeline does, without Kubeflow."""

from pathlib import Path

from small_source import plan, write_source

from components.contracts import Inventory, Manifest
from components.merge.merge import merge_shards
from components.progress import StepLog
from components.shard.writer import shard_partition


def shard_and_merge(
    inventory_path: Path, data_root: Path | str, artifacts: Path, log: StepLog | None = None, reference_uri: str = ""
) -> Manifest:
    log = log or StepLog("merge")
    receipts = []
    for partition in Inventory.read(inventory_path).partitions:
        receipts.append(str(artifacts / f"receipts-{partition.index}.json"))
        shard_partition(str(inventory_path), str(partition.index), str(data_root), receipts[-1], StepLog("shard"))
    return merge_shards(
        str(inventory_path),
        receipts,
        str(data_root),
        str(artifacts / "manifest"),
        str(artifacts / "report.html"),
        log,
        reference_uri,
    )


def small_dataset(root: Path) -> tuple[Path, Path, Manifest]:
    """Writes a source of sixteen tiles and its dataset; returns data_root, the path of the inventory, the manifest."""
    tiles = write_source(root / "source", train=8, val=2, test=6, tiles_per_shard=2)
    inventory_path = plan(root / "source", root / "data", tiles)
    return root / "data", inventory_path, shard_and_merge(inventory_path, root / "data", root)
