"""The training pipeline: check, ingest, shard in parallel, merge, train, evaluate, gate, and push a better model."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from kfp import dsl

from components.evaluate.component import evaluate
from components.gate.component import gate
from components.ingest.component import ingest
from components.merge.component import merge
from components.push.component import push
from components.setting import kind_of
from components.shard.component import shard
from pipeline import pod_settings
from pipeline.form import CLAIM, FormField, fields
from pipeline.steps.check import check
from pipeline.steps.refused import refused

PIPELINE_NAME = "agrivision-training"
DESCRIPTION = "Tiles to a checked and pushed classifier of crop patterns"
PUSH = "push"  # a decision of the gate
Form: TypeAlias = Mapping[str, Any]  # the fields of the run form, by name


def training_pipeline(train: Callable[..., Any], volume: bool = False) -> Any:
    """Returns the KFP pipeline with `train`, a KFP component, as its training step.

    The data steps are cached by tokens that the check gives them: the last equal run's, unless files of it are gone.
    Steps whose result depends on more than their inputs are never cached: train keeps state of its own, evaluate and
    gate look at the model in production, and push changes it.

    Args:
      volume: Whether every step mounts the volume claim named by the parameter `volume_claim`. This is fixed when the
        pipeline is compiled, because Kubeflow refuses to mount a claim without a name.
    """

    def agrivision_training(*values: Any) -> None:
        form = dict(zip(signature.parameters, values, strict=True))
        first = check(**{name: form[name] for name in form if name != CLAIM}).set_caching_options(False)
        data = dataset_steps(form, first)
        dataset = data[-1]
        model = train_step(train, form, form["train_config"], dataset.outputs["manifest"])
        judged = judging_steps(form, dataset, model.outputs["training_receipt"])
        pod_settings.ask_for(first, "100m", "256Mi", "4Gi")
        for step in (first, *data, model, *judged):
            pod_settings.restrict(step)
            if volume:
                pod_settings.mount(step, form[CLAIM])

    shown = fields(volume)
    signature = form_signature(shown)
    agrivision_training.__signature__ = signature  # type: ignore[attr-defined]
    agrivision_training.__doc__ = form_docstring(DESCRIPTION, shown)
    return dsl.pipeline(agrivision_training, name=PIPELINE_NAME, description=DESCRIPTION)


def dataset_steps(form: Form, first: Any) -> tuple[Any, ...]:
    """Adds the steps that make the dataset, in the order in which they run.

    Args:
      form: The fields of the run form.
      first: The check of the run; its tokens, which say whether what earlier runs made is still there, are part of the
        keys of the cache.
    """
    tiles = ingest(
        **_of(
            form,
            *("source_uri", "source_version", "data_root", "models_uri", "shard_reference_manifest"),
            *("ingest_layout", "ingest_classes", "data_options", "train_num_workers"),
        ),
        listing_token=first.outputs["listing_token"],
    )
    dataset_token = first.outputs["dataset_token"]
    inventory = tiles.outputs["inventory"]
    with dsl.ParallelFor(tiles.outputs["Output"], name="shard-partitions") as partition:
        shards = shard(**_of(form, "data_root"), partition=partition, dataset_token=dataset_token, inventory=inventory)
    dataset = merge(
        **_of(form, "data_root", "shard_reference_manifest"),
        dataset_token=dataset_token,
        inventory=inventory,
        shard_receipts=dsl.Collected(shards.outputs["shard_receipts"]),
    )
    steps = (tiles, shards, dataset)
    for step in steps:
        pod_settings.ask_for(step, "100m", "256Mi", "4Gi")
        pod_settings.read_s3_settings(step)
    return steps


def train_step(train: Callable[..., Any], form: Form, train_config: Any, manifest: Any) -> Any:
    """Adds the training step. It asks for nothing itself, since it only waits: what its task asks for is for workers.

    Args:
      train_config: The tuning, which may come from another step than the form.
    """
    step = train(
        **_of(
            form,
            *("data_root", "train_backbone", "train_image_size_px", "train_epochs", "train_global_batch_size"),
            *("train_num_workers", "train_options", "train_pool"),
        ),
        train_config=train_config,
        manifest=manifest,
    ).set_caching_options(False)
    pod_settings.read_cluster_settings(step)
    return step


def judging_steps(form: Form, dataset: Any, receipt: Any) -> tuple[Any, ...]:
    """Adds the steps from a trained model to its push, or the end of the run without one.

    Args:
      dataset: The step that made the dataset.
      receipt: Of the training.
    """
    manifest = dataset.outputs["manifest"]
    evaluation = evaluate(
        **_of(form, "data_root", "models_uri", "gate_options"), manifest=manifest, training_receipt=receipt
    ).set_caching_options(False)
    scores = evaluation.outputs["evaluation"]
    decision = gate(
        **_of(form, "data_root", "models_uri", "gate_min_macro_f1", "gate_options"), evaluation=scores
    ).set_caching_options(False)
    # The last step leaves the run's record; see components/run_records/last_step.py for why no exit handler does.
    run = {"run_id": dsl.PIPELINE_JOB_ID_PLACEHOLDER, "run_name": dsl.PIPELINE_JOB_NAME_PLACEHOLDER}
    with dsl.If(decision.outputs["decision"] == PUSH, name="push-if-good-enough"):
        pushed = push(
            **_of(form, "data_root", "models_uri", "gate_options"),
            **run,
            manifest=manifest,
            training_receipt=receipt,
            evaluation=scores,
            decision_document=decision.outputs["decision_document"],
            dataset_origin=dataset.outputs["dataset_origin"],
        ).set_caching_options(False)
    with dsl.If(decision.outputs["decision"] != PUSH, name="refused-otherwise"):
        kept = refused(
            **_of(form, "data_root"),
            **run,
            reason=decision.outputs["reason"],
            evaluation=scores,
            decision_document=decision.outputs["decision_document"],
        ).set_caching_options(False)
    for step in (decision, kept):
        pod_settings.ask_for(step, "100m", "256Mi", "4Gi")
    for step in (evaluation, pushed):  # these load TensorFlow
        pod_settings.ask_for(step, "250m", "1Gi", "8Gi")
    return evaluation, decision, pushed, kept


def _of(form: Form, *names: str) -> dict[str, Any]:
    return {name: form[name] for name in names}


def form_signature(shown: Mapping[str, FormField]) -> inspect.Signature:
    """Returns the fields of a run form as kfp should see them."""
    position = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature(
        [
            inspect.Parameter(name, position, default=each.default, annotation=kind_of(each.kind))
            for name, each in shown.items()
        ]
    )


def form_docstring(description: str, shown: Mapping[str, FormField]) -> str:
    """Returns the docstring that kfp compiles the fields' descriptions from."""
    meanings = "\n".join(f"  {name}: {each.help}" for name, each in shown.items())
    return f"{description}.\n\nArgs:\n{meanings}\n"
