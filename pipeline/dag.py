"""The training pipeline: ingest, shard in parallel, merge, train, evaluate, gate, and push if the model is better."""

import inspect
from collections.abc import Callable
from typing import Any

from kfp import dsl

from components.evaluate.component import evaluate
from components.gate.component import gate
from components.gate.settings import GateSettings
from components.ingest.component import ingest
from components.ingest.settings import IngestSettings
from components.merge.component import merge
from components.push.component import push
from components.setting import kind_of
from components.shard.component import shard
from components.train.settings.train_settings import TrainSettings
from pipeline import pod_settings
from pipeline.parameters import BUCKET_PLACES, PARAMETERS, VOLUME_CLAIM, arguments

PIPELINE_NAME = "agrivision-training"


def training_pipeline(train: Callable[..., Any], volume: bool = False) -> Any:
    """Returns the KFP pipeline with `train`, a KFP component, as its training step.

    Steps whose result depends on more than their inputs are never cached: train keeps state of its own, evaluate and
    gate look at the model in production, and push changes it.

    Args:
      volume: Whether every step mounts the volume claim named by the parameter `volume_claim`. This is fixed when the
        pipeline is compiled, because Kubeflow refuses to mount a claim without a name.
    """

    def agrivision_training(*values: Any) -> None:
        run = dict(zip(signature.parameters, values, strict=True))
        data_root, models_uri = run["data_root"], run["models_uri"]
        tiles = ingest(
            source_uri=run["source_uri"],
            source_version=run["source_version"],
            data_root=data_root,
            models_uri=models_uri,
            reference_manifest=run["shard_reference_manifest"],
            **arguments(IngestSettings, run),
        )
        inventory = tiles.outputs["inventory"]
        with dsl.ParallelFor(tiles.outputs["Output"], name="partitions") as partition:
            shards = shard(data_root=data_root, partition=partition, inventory=inventory)
        dataset = merge(
            data_root=data_root,
            reference_manifest=run["shard_reference_manifest"],
            inventory=inventory,
            receipts=dsl.Collected(shards.outputs["receipts"]),
        )
        manifest = dataset.outputs["manifest"]
        settings = arguments(TrainSettings, run)
        model = train(
            data_root=data_root,
            train_config=settings.pop("config"),
            **settings,
            # The pool's other settings reach the step through its task: see pod_settings.set_pool.
            **{name: run[f"train_{name}"] for name in ("profile", "cpu", "memory", "shared_memory")},
            manifest=manifest,
        ).set_caching_options(False)
        receipt = model.outputs["receipt"]
        evaluation = evaluate(
            data_root=data_root, models_uri=models_uri, manifest=manifest, receipt=receipt
        ).set_caching_options(False)
        scores = evaluation.outputs["evaluation"]
        decision = gate(
            data_root=data_root, models_uri=models_uri, **arguments(GateSettings, run), evaluation=scores
        ).set_caching_options(False)
        with dsl.If(decision.outputs["Output"] == "push", name="good-enough"):
            pushed = push(
                data_root=data_root,
                models_uri=models_uri,
                manifest=manifest,
                receipt=receipt,
                evaluation=scores,
                decision=decision.outputs["decision"],
            ).set_caching_options(False)

        steps = (tiles, shards, dataset, model, evaluation, decision, pushed)
        for step in steps:
            pod_settings.restrict(step)
        # Not train's, which only waits: what its task asks for is for its workers.
        for step in (tiles, shards, dataset, decision):
            pod_settings.ask_for(step, "100m", "256Mi", "4Gi")
        for step in (evaluation, pushed):  # these load TensorFlow
            pod_settings.ask_for(step, "250m", "1Gi", "8Gi")
        for step in (tiles, shards, dataset):
            pod_settings.read_s3_settings(step)
        pod_settings.read_cluster_settings(model)
        pod_settings.set_pool(
            model,
            run["train_accelerator_type"],
            run["train_accelerator_count"],
            run["train_node_selector"],
            run["train_tolerations"],
        )
        if volume:
            for step in steps:
                pod_settings.mount(step, run["volume_claim"])

    signature = _signature(volume)
    agrivision_training.__signature__ = signature  # type: ignore[attr-defined]
    return dsl.pipeline(
        agrivision_training,
        name=PIPELINE_NAME,
        description="Tiles to a checked and pushed classifier of crop patterns",
    )


def _signature(volume: bool) -> inspect.Signature:
    """Returns the parameters as kfp should see them: with a claim to mount, or with paths in a bucket."""
    shown = {name: (kind_of(each.kind), each.default) for name, each in PARAMETERS.items()}
    if volume:
        shown["volume_claim"] = (str, VOLUME_CLAIM)
    else:
        shown |= {name: (str, place) for name, place in BUCKET_PLACES.items()}
    return inspect.Signature(
        [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=kind)
            for name, (kind, default) in shown.items()
        ]
    )
