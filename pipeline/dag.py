"""The training pipeline: ingest, shard in parallel, merge, train, evaluate, gate, and push if it is better."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Dict, List  # noqa: UP035  (kfp reads the annotations Dict and List)

from kfp import dsl

from components.evaluate.component import evaluate
from components.gate.component import gate
from components.ingest.component import ingest
from components.merge.component import merge
from components.push.component import push
from components.shard.component import shard
from pipeline import pod_settings
from pipeline.parameters import BUCKET_PLACES, VOLUME_CLAIM, Parameters

PIPELINE_NAME = "agrivision-training"
_DEFAULTS = Parameters()


def training_pipeline(train: Callable[..., Any], volume: bool = False) -> Any:
    """Returns the KFP pipeline with `train`, a KFP component, as its training step.

    Steps whose result depends on more than their inputs are never cached: train keeps state of its own,
    evaluate and gate look at what is in production, push changes it.

    Args:
      volume: Whether every step mounts the volume claim that the parameter `volume_claim` names. It is one or the other
        for a compiled pipeline, because Kubeflow refuses to mount a claim without a name.
    """

    def agrivision_training(
        source_uri: str = Parameters.source_uri,
        source_version: str = Parameters.source_version,
        data_root: str = Parameters.data_root,
        models_uri: str = Parameters.models_uri,
        ingest_layout: str = Parameters.ingest_layout,
        ingest_classes: str = Parameters.ingest_classes,
        ingest_seed: int = Parameters.ingest_seed,
        ingest_val_percent: int = Parameters.ingest_val_percent,
        ingest_test_percent: int = Parameters.ingest_test_percent,
        ingest_num_partitions: int = Parameters.ingest_num_partitions,
        ingest_max_bad_fraction: float = Parameters.ingest_max_bad_fraction,
        shard_size_mb: int = Parameters.shard_size_mb,
        shard_tile_size_px: int = Parameters.shard_tile_size_px,
        shard_min_class_fraction: float = Parameters.shard_min_class_fraction,
        shard_reference_manifest: str = Parameters.shard_reference_manifest,
        train_config: str = Parameters.train_config,
        train_num_workers: int = Parameters.train_num_workers,
        train_strategy: str = Parameters.train_strategy,
        train_max_restarts: int = Parameters.train_max_restarts,
        train_max_seconds: int = Parameters.train_max_seconds,
        train_checkpoint_seconds: int = Parameters.train_checkpoint_seconds,
        train_keep_checkpoints: int = Parameters.train_keep_checkpoints,
        train_profile: str = Parameters.train_profile,
        train_accelerator_type: str = Parameters.train_accelerator_type,
        train_accelerator_count: str = Parameters.train_accelerator_count,
        train_node_selector: Dict[str, str] = _DEFAULTS.train_node_selector,  # noqa: UP006
        train_tolerations: List[Dict[str, Any]] = _DEFAULTS.train_tolerations,  # noqa: UP006
        train_cpu: str = Parameters.train_cpu,
        train_memory: str = Parameters.train_memory,
        train_shared_memory: str = Parameters.train_shared_memory,
        gate_min_macro_f1: float = Parameters.gate_min_macro_f1,
        volume_claim: str = VOLUME_CLAIM,
    ) -> None:
        tiles = ingest(
            source_uri=source_uri,
            source_version=source_version,
            data_root=data_root,
            models_uri=models_uri,
            layout=ingest_layout,
            classes=ingest_classes,
            seed=ingest_seed,
            val_percent=ingest_val_percent,
            test_percent=ingest_test_percent,
            num_partitions=ingest_num_partitions,
            num_workers=train_num_workers,
            shard_size_mb=shard_size_mb,
            tile_size_px=shard_tile_size_px,
            min_class_fraction=shard_min_class_fraction,
            max_bad_fraction=ingest_max_bad_fraction,
        )
        inventory = tiles.outputs["inventory"]
        with dsl.ParallelFor(tiles.outputs["Output"], name="partitions") as partition:
            shards = shard(data_root=data_root, partition=partition, inventory=inventory)
        dataset = merge(
            data_root=data_root,
            reference_manifest=shard_reference_manifest,
            inventory=inventory,
            receipts=dsl.Collected(shards.outputs["receipts"]),
        )
        manifest = dataset.outputs["manifest"]
        model = train(
            data_root=data_root,
            train_config=train_config,
            num_workers=train_num_workers,
            strategy=train_strategy,
            max_restarts=train_max_restarts,
            max_seconds=train_max_seconds,
            checkpoint_seconds=train_checkpoint_seconds,
            keep_checkpoints=train_keep_checkpoints,
            profile=train_profile,
            cpu=train_cpu,
            memory=train_memory,
            shared_memory=train_shared_memory,
            manifest=manifest,
        ).set_caching_options(False)
        receipt = model.outputs["receipt"]
        evaluation = evaluate(
            data_root=data_root, models_uri=models_uri, manifest=manifest, receipt=receipt
        ).set_caching_options(False)
        scores = evaluation.outputs["evaluation"]
        decision = gate(data_root=data_root, min_macro_f1=gate_min_macro_f1, evaluation=scores).set_caching_options(
            False
        )
        with dsl.If(decision.outputs["Output"] == "push", name="good-enough"):
            pushed = push(
                data_root=data_root, models_uri=models_uri, manifest=manifest, receipt=receipt, evaluation=scores
            ).set_caching_options(False)

        for step in (tiles, shards, dataset, decision):
            pod_settings.ask_for(step, "100m", "256Mi")
        for step in (evaluation, pushed):  # these load TensorFlow
            pod_settings.ask_for(step, "250m", "1Gi")
        for step in (tiles, shards, dataset):
            pod_settings.read_s3_settings(step)
        pod_settings.read_cluster_settings(model)
        pod_settings.set_pool(
            model, train_accelerator_type, train_accelerator_count, train_node_selector, train_tolerations
        )
        if volume:
            for step in (tiles, shards, dataset, model, evaluation, decision, pushed):
                pod_settings.mount(step, volume_claim)

    return dsl.pipeline(
        agrivision_training if volume else _on_buckets(agrivision_training),
        name=PIPELINE_NAME,
        description="Tiles to a checked and pushed classifier of crop patterns",
    )


def _on_buckets(steps: Callable[..., None]) -> Callable[..., None]:
    """Returns the pipeline's function as kfp must see it if nothing is mounted: no claim, and places on a bucket."""

    @functools.wraps(steps)
    def on_buckets(*arguments: Any) -> None:
        steps(*arguments)

    *others, last = inspect.signature(steps).parameters.values()
    assert last.name == "volume_claim"
    shown = [each.replace(default=BUCKET_PLACES.get(each.name, each.default)) for each in others]
    on_buckets.__signature__ = inspect.Signature(shown, return_annotation=None)  # type: ignore[attr-defined]
    return on_buckets
