"""Receipts of trainings that never ran, whose times are known."""

import msgspec

from components.contracts import Bottleneck, EpochMetrics, TrainingReceipt
from components.cost.train_speed import TrainSize
from components.train.settings.config import TrainConfig

# Seconds to start, compile and export; for a train tile; for an epoch besides; and for compiling, in the first epoch.
FIXED, TILE, EPOCH, COMPILING = 12.0, 0.01, 0.5, 3.0

# Of a dataset in a bucket; two workers trained for 20 s.
OF_TWO_WORKERS = TrainingReceipt(
    training_id="t1",
    manifest_sha256="f" * 64,
    model_path="training/t1/export",
    classes=("drydown",),
    bands=("red",),
    label_mode="multi_label",
    backbone="small",
    image_size_px=64,
    num_parameters=12,
    num_workers=2,
    num_restarts=0,
    config={},
    best_epoch=0,
    history=(),
    seconds=20.0,
)


def a_receipt(size: TrainSize, factor: float = 1.0, **changes: object) -> TrainingReceipt:
    """Returns the receipt of a training of that size, which took `factor` times as long as it should."""
    epoch = factor * (EPOCH + TILE * (size.num_train + 0.4 * size.num_val))
    rows = [
        EpochMetrics(
            epoch=number,
            train_loss=1.0,
            val_loss=1.0,
            val_macro_f1=0.5,
            learning_rate=0.1,
            seconds=epoch + (COMPILING if number == 0 else 0.0),
            tiles_per_second=1 / (TILE * factor),
        )
        for number in range(size.epochs)
    ]
    receipt = TrainingReceipt(
        training_id="0123456789abcdef",
        manifest_sha256="0" * 64,
        model_path="training/0123456789abcdef/export",
        classes=("water",),
        bands=("red", "green", "blue"),
        label_mode="multi_label",
        backbone="small",
        image_size_px=32,
        num_parameters=1000,
        num_workers=1,
        num_restarts=0,
        config=TrainConfig(image_size_px=32, global_batch_size=8).to_builtins(),
        best_epoch=0,
        history=tuple(rows),
        seconds=factor * FIXED + size.epochs * epoch,
        bottleneck=Bottleneck(),
        profile="laptop",
    )
    return msgspec.structs.replace(receipt, **changes)
