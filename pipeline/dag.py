"""The training pipeline: ingest, shard in parallel, merge, train, evaluate, gate, and push if it is better."""

from collections.abc import Callable
from typing import Any

from kfp import dsl

from components.evaluate.component import evaluate, gate
from components.ingest.component import ingest
from components.push.component import push
from components.shard.component import merge, shard
from pipeline.parameters import Parameters


def training_pipeline(train: Callable[..., Any]) -> Any:
    """Returns the KFP pipeline with `train`, a KFP component, as its training step.

    Steps whose result depends on more than their inputs are never cached: train keeps state of its own,
    evaluate and gate look at what is in production, push changes it.
    """

    @dsl.pipeline(name="agrivision-training", description="Tiles to a checked and pushed classifier of crop patterns")
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
        gate_min_macro_f1: float = Parameters.gate_min_macro_f1,
    ) -> None:
        tiles = ingest(
            source_uri=source_uri,
            source_version=source_version,
            data_root=data_root,
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
            push(
                data_root=data_root, models_uri=models_uri, manifest=manifest, receipt=receipt, evaluation=scores
            ).set_caching_options(False)

    return agrivision_training
