"""What a pushed model's card says beside its behaviour: data, training, weaknesses and descent; for people."""

import datetime

import msgspec

from components import environment
from components.contracts import (
    DataFacts,
    Evaluation,
    Lineage,
    Manifest,
    ModelCard,
    Slices,
    SliceScore,
    TrainingFacts,
    TrainingReceipt,
)
from components.push.ancestry import NO_ANCESTRY, Ancestry
from components.push.card import stored_px_of, tile_px_of
from components.registry.channels import timestamp

_MOST_PARTS = 5  # of the test split that a card names
_MOST_SIZES = 5  # of tiles


def with_facts(
    card: ModelCard,
    manifest: Manifest,
    receipt: TrainingReceipt,
    evaluation: Evaluation,
    ancestry: Ancestry = NO_ANCESTRY,
    now: datetime.datetime | None = None,
) -> ModelCard:
    """Returns the card with all that its version does not follow from."""
    pod, _ = environment.kfp_pod()
    return msgspec.structs.replace(
        card,
        data_licence=manifest.data_licence or "",
        tile_px=tile_px_of(manifest),
        stored_px=stored_px_of(manifest),
        data=_data(manifest),
        training=_training(receipt),
        reliability=evaluation.reliability,
        weakest=_weakest(evaluation.slices),
        dense=card.dense or evaluation.dense,
        lineage=Lineage(
            evaluation_sha256=evaluation.sha256,
            test_set=evaluation.test_set,
            num_test_fields=evaluation.num_test_fields,
            pod=pod,
            pushed_at=timestamp(now),
            receipt_sha256=ancestry.receipt_sha256,
            origin_sha256=ancestry.origin_sha256,
            content_sha256=ancestry.content_sha256,
            training_commit=receipt.commit,
            image=receipt.image,
            commit=environment.commit(),
            run=ancestry.run,
        ),
    )


def _data(manifest: Manifest) -> DataFacts:
    sizes = sorted(manifest.tile_sizes.items(), key=lambda each: (-each[1], each[0]))
    return DataFacts(
        layout=manifest.layout,
        split_origin=manifest.split_origin,
        num_tiles={name: split.num_tiles for name, split in manifest.splits.items()},
        num_fields={name: split.num_fields for name, split in manifest.splits.items()},
        class_tiles={name: split.class_tiles for name, split in manifest.splits.items()},
        tile_sizes=dict(sizes[:_MOST_SIZES]),
    )


def _training(receipt: TrainingReceipt) -> TrainingFacts:
    return TrainingFacts(
        seconds=receipt.seconds,
        num_parameters=receipt.num_parameters,
        num_workers=receipt.num_workers,
        strategy=receipt.strategy,
        num_restarts=receipt.num_restarts,
        num_epochs=len(receipt.history),
        best_epoch=receipt.best_epoch,
        ended_by=receipt.ended_by,
        tiles_per_second=receipt.bottleneck.tiles_per_second,
        pods=receipt.pods if receipt.profile else None,
        cost=receipt.cost,
    )


def _weakest(slices: Slices | None) -> tuple[SliceScore, ...]:
    compared = [each for each in slices.scores if each.difference] if slices else []
    return tuple(sorted(compared, key=lambda each: each.difference or ())[:_MOST_PARTS])
