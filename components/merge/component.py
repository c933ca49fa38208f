"""KFP wrapper of the merge step."""

from typing import List  # noqa: UP035  (kfp reads the annotation List[...], not list[...])

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.ingest_image(), install_kfp_package=False)
def merge(
    data_root: str,
    inventory: dsl.Input[dsl.Dataset],
    shard_reference_manifest: str,
    dataset_token: str,
    shard_receipts: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
    manifest: dsl.Output[dsl.Dataset],
    data_report: dsl.Output[dsl.HTML],
    dataset_origin: dsl.Output[dsl.Artifact],
) -> None:
    """Publishes the dataset: its manifest and its data report.

    Args:
      data_root: Where the shards are.
      inventory: What was planned.
      shard_reference_manifest: Manifest of an earlier dataset, to compare the new one with.
      dataset_token: Part of the cache's key, and remembered beside the dataset; nothing else follows from it.
      shard_receipts: Which shards there are.
      manifest: The dataset.
      data_report: What the tiles are like: classes, splits, bands, problems.
      dataset_origin: Which listing and receipts the dataset comes from, by their hashes.
    """
    from components.contracts import Inventory
    from components.dataset.known_data import remember_dataset
    from components.merge.merge import merge_shards
    from components.progress import step_log
    from components.storage import plain_place

    with step_log("merge") as log:
        receipts_paths = [each.path for each in shard_receipts]
        data_root, reference = plain_place(data_root), plain_place(shard_reference_manifest)
        made = merge_shards(
            inventory.path,
            receipts_paths,
            data_root,
            manifest.path,
            data_report.path,
            log,
            reference,
            dataset_origin.path,
        )
        remember_dataset(data_root, dataset_token, Inventory.read(inventory.path).sha256, made.sha256)
