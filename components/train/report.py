"""The training report: a verdict, the learning curves, a table of the epochs."""

import math
from typing import Any

from components import report
from components.contracts import TrainingReceipt

_MAX_TABLE_ROWS = 40


def summary_metrics(receipt: TrainingReceipt) -> dict[str, float]:
    """Returns the figures of the best epoch and of the run; all finite, since KFP refuses others."""
    best = receipt.history[receipt.best_epoch]
    metrics = {
        "val_macro_f1": best.val_macro_f1,
        "val_loss": best.val_loss,
        "train_loss": best.train_loss,
        "best_epoch": float(receipt.best_epoch + 1),
        "num_epochs": float(len(receipt.history)),
        "tiles_per_second": _tiles_per_second(receipt),
        "num_parameters": float(receipt.num_parameters),
        "num_workers": float(receipt.num_workers),
        "num_restarts": float(receipt.num_restarts),
        "seconds": receipt.seconds,
    }
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def summary_line(receipt: TrainingReceipt) -> str:
    """Returns one line for the step's log."""
    best = receipt.history[receipt.best_epoch]
    return (
        f"{len(receipt.history)} epochs of {receipt.backbone} by {receipt.num_workers} workers, "
        f"{_tiles_per_second(receipt):,.0f} tiles/s, best epoch {receipt.best_epoch + 1} with val macro-F1 "
        f"{best.val_macro_f1:.3f}, {receipt.num_restarts} restarts, ended by {receipt.ended_by}, "
        f"model in {receipt.model_path}"
    )


def write_report(receipt: TrainingReceipt, path: str) -> None:
    """Writes the report as an HTML page."""
    blocks = [
        report.paragraph(verdict(receipt)),
        report.figure(_curves(receipt), "Loss, macro F1 and learning rate by epoch; the line marks the best epoch."),
        report.heading("The run"),
        report.table(("", "value"), _facts(receipt)),
        report.heading("Epochs"),
        report.table(
            ("epoch", "loss", "val loss", "val macro F1", "tiles/s"),
            [
                (f"{row.epoch + 1}", row.train_loss, row.val_loss, row.val_macro_f1, round(row.tiles_per_second))
                for row in receipt.history[-_MAX_TABLE_ROWS:]
            ],
        ),
    ]
    report.write_page(path, "Training", blocks)


def verdict(receipt: TrainingReceipt) -> str:
    """Returns one or two sentences: how good the model is, and what would make it better."""
    best, last = receipt.history[receipt.best_epoch], receipt.history[-1]
    text = (
        f"Epoch {receipt.best_epoch + 1} of {len(receipt.history)} was the best, with a validation macro F1 of "
        f"{best.val_macro_f1:.3f}; its weights are exported."
    )
    if receipt.ended_by == "early_stopping":
        patience = receipt.config["early_stopping_patience"]
        return text + f" Training stopped early, {patience} epochs after the last that was better."
    if receipt.ended_by == "max_seconds":
        return text + " Training ended because train_max_seconds was up: more time may help."
    if receipt.best_epoch == last.epoch and last.epoch > 0 and last.val_loss < receipt.history[-2].val_loss:
        return text + " The validation loss was still falling at the end: more epochs may help."
    lowest = min(receipt.history, key=lambda row: row.val_loss)
    if last.val_loss > 1.2 * lowest.val_loss and last.train_loss < lowest.train_loss:
        return text + f" After epoch {lowest.epoch + 1} the validation loss rose again: the model began to overfit."
    return text + " The validation loss had levelled off by the end."


def _tiles_per_second(receipt: TrainingReceipt) -> float:
    # The first epoch compiles.
    rows = [row for row in receipt.history[1:] if row.tiles_per_second > 0] or receipt.history
    return sum(row.tiles_per_second for row in rows) / len(rows)


def _facts(receipt: TrainingReceipt) -> list[tuple[str, object]]:
    facts: list[tuple[str, object]] = [
        ("training", receipt.training_id),
        ("backbone", receipt.backbone),
        ("label mode", receipt.label_mode),
        ("classes", len(receipt.classes)),
        ("bands", ", ".join(receipt.bands)),
        ("parameters", receipt.num_parameters),
        ("workers", receipt.num_workers),
        ("restarts", receipt.num_restarts),
        ("tiles/s", round(_tiles_per_second(receipt))),
        ("duration", f"{receipt.seconds:.0f} s"),
    ]
    skipped = ("backbone", "label_mode")
    return facts + [(name, str(value)) for name, value in receipt.config.items() if name not in skipped]


def _curves(receipt: TrainingReceipt) -> Any:
    from matplotlib.figure import Figure

    epochs = [row.epoch + 1 for row in receipt.history]
    figure = Figure(figsize=(6, 6.5), layout="constrained")
    loss, f1, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.5))
    loss.plot(epochs, [row.train_loss for row in receipt.history], color="#7a8b80", label="train")
    loss.plot(epochs, [row.val_loss for row in receipt.history], color="#1b7f4d", label="val")
    loss.set_ylabel("loss per tile")
    loss.set_ylim(bottom=0)
    loss.legend(frameon=False)
    f1.plot(epochs, [row.val_macro_f1 for row in receipt.history], color="#1b7f4d")
    f1.set_ylabel("val macro F1")
    f1.set_ylim(0, 1)
    rate.plot(epochs, [row.learning_rate for row in receipt.history], color="#7a8b80")
    rate.set_ylabel("learning rate")
    rate.set_xlabel("epoch")
    for axes in (loss, f1, rate):
        axes.axvline(receipt.best_epoch + 1, color="#c9d3cc", linewidth=1, zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#eef2ef")
        axes.set_axisbelow(True)
        if len(epochs) == 1:
            for line in axes.get_lines()[:-1]:
                line.set_marker("o")
    return figure
