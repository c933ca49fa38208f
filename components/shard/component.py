"""KFP wrapper of the shard step."""

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.ingest_image(), install_kfp_package=False)
def shard(
    data_root: str,
    partition: str,
    dataset_token: str,
    inventory: dsl.Input[dsl.Dataset],
    shard_receipts: dsl.Output[dsl.Dataset],
) -> None:
    """Checks the tiles of one partition and writes its missing shards.

    Args:
      data_root: Where to write them.
      partition: Its index.
      dataset_token: Part of the cache's key; nothing follows from it.
      inventory: What was planned.
      shard_receipts: Which shards there are, and what they hold.
    """
    from components.progress import step_log
    from components.shard.writer import shard_partition
    from components.storage import plain_place

    with step_log(f"shard {partition}") as log:
        shard_partition(inventory.path, partition, plain_place(data_root), shard_receipts.path, log)
