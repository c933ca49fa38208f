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
    reference_manifest: str,
    layout: str,
    classes: str,
    bands: str,
    seed: int,
    val_percent: int,
    test_percent: int,
    duplicates: str,
    num_partitions: int,
    num_workers: int,
    shard_size_mb: int,
    tile_size_px: int,
    max_16_bit: int,
    min_class_fraction: float,
    max_bad_fraction: float,
    max_ignored_fraction: float,
    inventory: dsl.Output[dsl.Dataset],
) -> List[str]:  # noqa: UP006
    """Lists, pairs and splits the tiles of a source, and plans their shards.

    Args:
      source_version: Any text. It is not used; KFP never looks into a bucket, and would take the result of an earlier
        run from its cache unless a parameter changes with the data.
      models_uri, reference_manifest: Only checked, so that a wrong one is found before the training and not after it.

    Returns:
      The indices of the partitions, as text, because KFP turns whole numbers inside a list into floats.
    """
    from components.ingest.inventory import build_inventory
    from components.ingest.settings import IngestSettings
    from components.places import check_access, check_places
    from components.progress import step_log
    from components.storage import plain_place

    with step_log("ingest") as log:
        source_uri, data_root, models_uri = map(plain_place, (source_uri, data_root, models_uri))
        check_places(source_uri, data_root, models_uri)
        settings = IngestSettings(
            layout=layout,
            classes=classes,
            bands=bands,
            seed=seed,
            val_percent=val_percent,
            test_percent=test_percent,
            duplicates=duplicates,
            num_partitions=num_partitions,
            num_workers=num_workers,
            shard_size_mb=shard_size_mb,
            tile_size_px=tile_size_px,
            max_16_bit=max_16_bit,
            min_class_fraction=min_class_fraction,
            max_bad_fraction=max_bad_fraction,
            max_ignored_fraction=max_ignored_fraction,
        )
        check_access(data_root, models_uri, plain_place(reference_manifest))
        document = build_inventory(source_uri, data_root, settings, log)
        document.write(inventory.path)
        return [str(partition.index) for partition in document.partitions]
