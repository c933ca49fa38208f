"""The training pipeline: check, ingest, shard in parallel, merge, train, evaluate, gate, and push a better model."""

import inspect
from collections.abc import Callable
from typing import Any

from kfp import dsl

from components.evaluate.component import evaluate
from components.gate.component import gate
from components.ingest.component import ingest
from components.merge.component import merge
from components.push.component import push
from components.setting import kind_of
from components.shard.component import shard
from pipeline import pod_settings
from pipeline.form import CLAIM, fields
from pipeline.steps.check import check
from pipeline.steps.refused import refused

PIPELINE_NAME = "agrivision-training"
DESCRIPTION = "Tiles to a checked and pushed classifier of crop patterns"
PUSH = "push"  # a decision of the gate


def training_pipeline(train: Callable[..., Any], volume: bool = False) -> Any:
    """Returns the KFP pipeline with `train`, a KFP component, as its training step.

    Steps whose result depends on more than their inputs are never cached: train keeps state of its own, evaluate and
    gate look at the model in production, and push changes it.

    Args:
      volume: Whether every step mounts the volume claim named by the parameter `volume_claim`. This is fixed when the
        pipeline is compiled, because Kubeflow refuses to mount a claim without a name.
    """

    def agrivision_training(*values: Any) -> None:
        form = dict(zip(signature.parameters, values, strict=True))

        def given(*names: str) -> dict[str, Any]:
            return {name: form[name] for name in names}

        first = check(**{name: form[name] for name in form if name != CLAIM}).set_caching_options(False)
        tiles = ingest(
            **given(
                *("source_uri", "source_version", "data_root", "models_uri", "shard_reference_manifest"),
                *("ingest_layout", "ingest_classes", "data_options", "train_num_workers"),
            )
        ).after(first)  # which changes no key of the cache
        inventory = tiles.outputs["inventory"]
        with dsl.ParallelFor(tiles.outputs["Output"], name="shard-partitions") as partition:
            shards = shard(**given("data_root"), partition=partition, inventory=inventory)
        dataset = merge(
            **given("data_root", "shard_reference_manifest"),
            inventory=inventory,
            shard_receipts=dsl.Collected(shards.outputs["shard_receipts"]),
        )
        manifest = dataset.outputs["manifest"]
        model = train(
            **given(
                *("data_root", "train_backbone", "train_image_size_px", "train_epochs", "train_global_batch_size"),
                *("train_config", "train_num_workers", "train_options", "train_pool"),
            ),
            manifest=manifest,
        ).set_caching_options(False)
        receipt = model.outputs["training_receipt"]
        evaluation = evaluate(
            **given("data_root", "models_uri", "gate_options"), manifest=manifest, training_receipt=receipt
        ).set_caching_options(False)
        scores = evaluation.outputs["evaluation"]
        decision = gate(
            **given("data_root", "models_uri", "gate_min_macro_f1", "gate_options"), evaluation=scores
        ).set_caching_options(False)
        # The last step leaves the run's record; see components/run_records/last_step.py for why no exit handler does.
        run = {"run_id": dsl.PIPELINE_JOB_ID_PLACEHOLDER, "run_name": dsl.PIPELINE_JOB_NAME_PLACEHOLDER}
        with dsl.If(decision.outputs["decision"] == PUSH, name="push-if-good-enough"):
            pushed = push(
                **given("data_root", "models_uri", "gate_options"),
                **run,
                manifest=manifest,
                training_receipt=receipt,
                evaluation=scores,
                decision_document=decision.outputs["decision_document"],
            ).set_caching_options(False)
        with dsl.If(decision.outputs["decision"] != PUSH, name="refused-otherwise"):
            kept = refused(
                **given("data_root"),
                **run,
                reason=decision.outputs["reason"],
                evaluation=scores,
                decision_document=decision.outputs["decision_document"],
            ).set_caching_options(False)

        steps = (first, tiles, shards, dataset, model, evaluation, decision, pushed, kept)
        for step in steps:
            pod_settings.restrict(step)
        # Not train's, which only waits: what its task asks for is for its workers.
        for step in (first, tiles, shards, dataset, decision, kept):
            pod_settings.ask_for(step, "100m", "256Mi", "4Gi")
        for step in (evaluation, pushed):  # these load TensorFlow
            pod_settings.ask_for(step, "250m", "1Gi", "8Gi")
        for step in (tiles, shards, dataset):
            pod_settings.read_s3_settings(step)
        pod_settings.read_cluster_settings(model)
        if volume:
            for step in steps:
                pod_settings.mount(step, form[CLAIM])

    signature = _signature(volume)
    agrivision_training.__signature__ = signature  # type: ignore[attr-defined]
    agrivision_training.__doc__ = _described(volume)
    return dsl.pipeline(agrivision_training, name=PIPELINE_NAME, description=DESCRIPTION)


def _signature(volume: bool) -> inspect.Signature:
    """Returns the fields of the run form as kfp should see them."""
    return inspect.Signature(
        [
            inspect.Parameter(
                name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=each.default, annotation=kind_of(each.kind)
            )
            for name, each in fields(volume).items()
        ]
    )


def _described(volume: bool) -> str:
    """Returns the docstring that kfp compiles the fields' descriptions from."""
    meanings = "\n".join(f"  {name}: {each.help}" for name, each in fields(volume).items())
    return f"{DESCRIPTION}.\n\nArgs:\n{meanings}\n"
