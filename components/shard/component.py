"""KFP wrappers of the shard and merge stages."""

from typing import List  # noqa: UP035  (kfp reads the annotation List[...], not list[...])

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.ingest_image(), install_kfp_package=False)
def shard(
    data_root: str,
    partition: str,
    inventory: dsl.Input[dsl.Dataset],
    receipts: dsl.Output[dsl.Dataset],
) -> None:
    """Checks the tiles of one partition and writes its missing shards."""
    from components.progress import step_log
    from components.shard.writer import write_shards

    with step_log(f"shard {partition}") as log:
        write_shards(inventory.path, partition, data_root, receipts.path, log)


@dsl.component(base_image=environment.ingest_image(), install_kfp_package=False)
def merge(
    data_root: str,
    inventory: dsl.Input[dsl.Dataset],
    reference_manifest: str,
    receipts: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
    manifest: dsl.Output[dsl.Dataset],
    report: dsl.Output[dsl.HTML],
) -> None:
    """Publishes the dataset: its manifest and its data report."""
    from components.progress import step_log
    from components.shard.manifest import merge_shards

    with step_log("merge") as log:
        receipts_paths = [each.path for each in receipts]
        merge_shards(inventory.path, receipts_paths, data_root, manifest.path, report.path, log, reference_manifest)
