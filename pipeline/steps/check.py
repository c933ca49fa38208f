"""KFP step that begins a run: it checks all parameters together before any step spends time on data."""

from typing import NamedTuple

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def check(
    source_uri: str,
    source_version: str,
    data_root: str,
    models_uri: str,
    shard_reference_manifest: str,
    ingest_layout: str,
    ingest_classes: str,
    data_options: dict,
    train_backbone: str,
    train_image_size_px: int,
    train_epochs: int,
    train_global_batch_size: int,
    train_config: dict,
    train_num_workers: int,
    train_options: dict,
    train_pool: dict,
    gate_min_macro_f1: float,
    gate_options: dict,
    what_this_run_does: dsl.Output[dsl.Markdown],
) -> NamedTuple("Outputs", [("listing_token", str), ("dataset_token", str)]):  # type: ignore[valid-type]
    """Checks all parameters of the run together, and says what it will do. The meanings are those of the run form.

    Returns:
      listing_token: For Kubeflow's cache: leads to an equal listing whose files are still there, or to none.
      dataset_token: The same for the shards and the dataset.
    """
    from components.progress import step_log
    from pipeline.steps.cache_tokens import tokens_of_form
    from pipeline.steps.plan import check_form

    with step_log("check") as log:
        given = {
            "source_uri": source_uri,
            "source_version": source_version,
            "data_root": data_root,
            "models_uri": models_uri,
            "shard_reference_manifest": shard_reference_manifest,
            "ingest_layout": ingest_layout,
            "ingest_classes": ingest_classes,
            "data_options": data_options,
            "train_backbone": train_backbone,
            "train_image_size_px": train_image_size_px,
            "train_epochs": train_epochs,
            "train_global_batch_size": train_global_batch_size,
            "train_config": train_config,
            "train_num_workers": train_num_workers,
            "train_options": train_options,
            "train_pool": train_pool,
            "gate_min_macro_f1": gate_min_macro_f1,
            "gate_options": gate_options,
        }
        log.summary = check_form(given, what_this_run_does.path, looks=True)
        listing_token, dataset_token = tokens_of_form(given, log.line)
    return listing_token, dataset_token
