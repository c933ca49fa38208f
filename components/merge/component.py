"""KFP wrapper of the merge step."""

from typing import List  # noqa: UP035  (kfp reads the annotation List[...], not list[...])

from kfp import dsl

from components import environment


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
    from components.merge.merge import merge_shards
    from components.progress import step_log
    from components.storage import plain_place

    with step_log("merge") as log:
        receipts_paths = [each.path for each in receipts]
        data_root, reference_manifest = plain_place(data_root), plain_place(reference_manifest)
        merge_shards(inventory.path, receipts_paths, data_root, manifest.path, report.path, log, reference_manifest)
