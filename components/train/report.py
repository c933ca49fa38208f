"""The training report: a verdict, the learning curves, and tables of the run, its settings and its epochs."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from components import report
from components.contracts import TrainingReceipt
from components.train import bottleneck

_MAX_TABLE_ROWS = 40
_GREEN, _GREY = "#1b7f4d", "#7a8b80"


@dataclasses.dataclass(frozen=True)
class _Curve:
    """One panel of a figure.

    Attributes:
      axis: Label of the y axis.
      lines: (field of EpochMetrics, name in the legend, colour).
      height: Height in inches.
      top: Top of the y axis; None fits it to the values.
      limit: Value to draw a dotted line at; also formats the axis as percent.
    """

    axis: str
    lines: tuple[tuple[str, str, str], ...]
    height: float
    top: float | None = None
    limit: float | None = None


_LEARNING = (
    _Curve("loss per tile", (("train_loss", "train", _GREY), ("val_loss", "val", _GREEN)), 2.4),
    _Curve("val macro F1", (("val_macro_f1", "val", _GREEN),), 2.4, top=1),
    _Curve("learning rate", (("learning_rate", "", _GREY),), 1.4),
)
_SPEED = (
    _Curve("tiles/s", (("tiles_per_second", "", _GREEN),), 1.8),
    _Curve("input wait", (("input_wait_share", "", _GREEN),), 1.8, limit=bottleneck.INPUT_BOUND_SHARE),
)


def summary_metrics(receipt: TrainingReceipt) -> dict[str, float]:
    """Returns metrics of the best epoch and the run, named with their units; omits non-finite ones, which break KFP."""
    best = receipt.history[receipt.best_epoch]
    metrics = {
        "val_macro_f1": best.val_macro_f1,
        "val_loss": best.val_loss,
        "train_loss": best.train_loss,
        "best_epoch": float(receipt.best_epoch + 1),
        "num_epochs": float(len(receipt.history)),
        "tiles_per_second": receipt.bottleneck.tiles_per_second,
        "step_milliseconds": 1000 * receipt.bottleneck.step_seconds,
        "input_wait_percent": 100 * receipt.bottleneck.input_wait_share,
        "num_parameters": float(receipt.num_parameters),
        "num_workers": float(receipt.num_workers),
        "num_restarts": float(receipt.num_restarts),
        "checkpoint_stall_seconds": receipt.checkpoint_stall_seconds,
        "duration_seconds": receipt.seconds,
    }
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def summary_line(receipt: TrainingReceipt) -> str:
    """Returns the one-line summary for the step's log."""
    best, held_up = receipt.history[receipt.best_epoch], receipt.bottleneck
    return (
        f"{len(receipt.history)} epochs of {receipt.backbone} by {receipt.num_workers} workers, "
        f"{held_up.tiles_per_second:,.0f} tiles/s, {bottleneck.in_short(held_up)}, "
        f"best epoch {receipt.best_epoch + 1} with val macro-F1 {best.val_macro_f1:.3f}, "
        f"{receipt.num_restarts} restarts, ended by {receipt.ended_by}, "
        f"model in {receipt.model_path}"
    )


def write_report(receipt: TrainingReceipt, path: str) -> None:
    """Writes the report as an HTML page."""
    blocks = [
        report.paragraph(verdict(receipt)),
        report.figure(
            _curves(receipt, _LEARNING), "Loss, macro F1 and learning rate by epoch; the line marks the best epoch."
        ),
        report.heading("Speed"),
        report.paragraph(f"T{bottleneck.speed_verdict(receipt.bottleneck)[1:]}"),
        report.figure(
            _curves(receipt, _SPEED),
            "Tiles per second, and the share of the training's time spent waiting for a batch, by epoch. Above the "
            "dotted line training is input-bound.",
        ),
        report.heading("The run"),
        report.table(("", "value"), _facts(receipt)),
        report.heading("Settings"),
        report.table(("", "value"), _settings(receipt)),
        report.heading("Epochs"),
        report.table(
            ("epoch", "loss", "val loss", "val macro F1", "tiles/s", "input wait"),
            [
                (
                    f"{row.epoch + 1}",
                    row.train_loss,
                    row.val_loss,
                    row.val_macro_f1,
                    round(row.tiles_per_second),
                    row.input_wait_share,
                )
                for row in receipt.history[-_MAX_TABLE_ROWS:]
            ],
        ),
    ]
    report.write_page(path, "Training", blocks)


def verdict(receipt: TrainingReceipt) -> str:
    """Returns one or two sentences: how good the model is, and what may improve it."""
    best, last = receipt.history[receipt.best_epoch], receipt.history[-1]
    text = (
        f"Epoch {receipt.best_epoch + 1} of {len(receipt.history)} was the best, with a validation macro F1 of "
        f"{best.val_macro_f1:.3f}; its weights are exported."
    )
    if receipt.ended_by == "early_stopping":
        patience = receipt.config["early_stopping_patience"]
        return text + f" Training stopped early, {patience} epochs after the last improvement."
    if receipt.ended_by == "max_seconds":
        return text + " Training ended because train_max_seconds was up: more time may help."
    if receipt.best_epoch == last.epoch and last.epoch > 0 and last.val_loss < receipt.history[-2].val_loss:
        return text + " The validation loss was still falling at the end: more epochs may help."
    lowest = min(receipt.history, key=lambda row: row.val_loss)
    if last.val_loss > 1.2 * lowest.val_loss and last.train_loss < lowest.train_loss:
        return text + f" After epoch {lowest.epoch + 1} the validation loss rose again: the model began to overfit."
    return text + " The validation loss had levelled off by the end."


def _facts(receipt: TrainingReceipt) -> list[tuple[str, str]]:
    """Returns the rows of the run's table; all values are text, because numbers would be aligned differently."""
    return [
        ("training", receipt.training_id),
        ("backbone", receipt.backbone),
        ("label mode", receipt.label_mode),
        ("classes", f"{len(receipt.classes)}"),
        ("bands", ", ".join(receipt.bands)),
        ("parameters", f"{receipt.num_parameters:,}"),
        ("workers", f"{receipt.num_workers}"),
        ("strategy", receipt.strategy),
        ("restarts", f"{receipt.num_restarts}"),
        (
            "checkpoints",
            f"{receipt.num_checkpoints}, each pausing training for at most {receipt.checkpoint_stall_seconds:.2f} s",
        ),
        ("tiles/s", f"{receipt.bottleneck.tiles_per_second:,.0f}"),
        ("waiting for input", f"{receipt.bottleneck.input_wait_share:.1%}"),
        ("duration", f"{receipt.seconds:.0f} s"),
    ]


def _settings(receipt: TrainingReceipt) -> list[tuple[str, str]]:
    """Returns the settings of TrainConfig, under their own names."""
    return [(name, "none" if value in ("", None) else str(value)) for name, value in receipt.config.items()]


def _curves(receipt: TrainingReceipt, rows: Sequence[_Curve]) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    epochs = [row.epoch + 1 for row in receipt.history]
    figure = Figure(figsize=(6, sum(row.height for row in rows)), layout="constrained")
    panels = figure.subplots(len(rows), 1, sharex=True, height_ratios=[row.height for row in rows])
    for axes, row in zip(panels, rows, strict=True):
        for name, label, colour in row.lines:
            values = [getattr(epoch, name) for epoch in receipt.history]
            axes.plot(epochs, values, color=colour, label=label, marker="o" if len(epochs) == 1 else None)
        axes.set_ylabel(row.axis)
        axes.set_ylim(bottom=0, top=row.top)
        if len(row.lines) > 1:
            axes.legend(frameon=False)
        if row.limit is not None:
            axes.axhline(row.limit, color=_GREY, linewidth=1, linestyle=":")
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.axvline(receipt.best_epoch + 1, color="#c9d3cc", linewidth=1, zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#eef2ef")
        axes.set_axisbelow(True)
    panels[-1].set_xlabel("epoch")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
