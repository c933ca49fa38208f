"""KFP wrapper of the ingest step."""

from typing import List  # noqa: UP035  (kfp reads the annotation List[...], not list[...])

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.ingest_image(), install_kfp_package=False)
def ingest(
    source_uri: str,
    source_version: str,
    data_root: str,
    models_uri: str,
    shard_reference_manifest: str,
    ingest_layout: str,
    ingest_classes: str,
    data_options: dict,
    train_num_workers: int,
    listing_token: str,
    inventory: dsl.Output[dsl.Dataset],
) -> List[str]:  # noqa: UP006
    """Lists, pairs and splits the tiles of a source, and plans their shards.

    Args:
      source_uri: Where the tiles are.
      source_version: Any text. It is not used; KFP never looks into a bucket, and would take the result of an earlier
        run from its cache unless a parameter changes with the data.
      data_root: Where to keep the plan.
      models_uri: Only checked, so that a wrong one is found before the training and not after it.
      shard_reference_manifest: Only checked, too.
      ingest_layout: Layout of the source.
      ingest_classes: Classes in order, comma-separated.
      data_options: What is rarely changed of the dataset.
      train_num_workers: Number of training workers; each needs a shard.
      listing_token: Part of the cache's key, and remembered beside the plan; nothing else follows from it.
      inventory: What was found, and which shards to write.

    Returns:
      The indices of the partitions, as text, because KFP turns whole numbers inside a list into floats. This output
        has no name of its own: kfp.local runs a loop over no other.
    """
    from components.dataset.known_data import remember_listing
    from components.ingest.inventory import build_inventory
    from components.ingest.settings import OPTIONS, IngestSettings
    from components.places import check_access, check_places
    from components.progress import step_log
    from components.setting import settings_from
    from components.storage import plain_place

    with step_log("ingest") as log:
        source_uri, data_root, models_uri = map(plain_place, (source_uri, data_root, models_uri))
        check_places(source_uri, data_root, models_uri)
        settings = settings_from(
            IngestSettings,
            OPTIONS,
            data_options,
            layout=ingest_layout,
            classes=ingest_classes,
            num_workers=train_num_workers,
        )
        check_access(data_root, models_uri, plain_place(shard_reference_manifest))
        document = build_inventory(source_uri, data_root, settings, log)
        document.write(inventory.path)
        remember_listing(data_root, listing_token, document)
        return [str(partition.index) for partition in document.partitions]
