"""The training report: a verdict, the learning curves, and tables of the run, its settings and its epochs."""

import dataclasses
import math
from collections.abc import Sequence

from components import report, words
from components.contracts import Bottleneck, EpochMetrics, TrainingReceipt
from components.train import bottleneck, more_workers

_MAX_TABLE_ROWS = 40
_GREEN, _GREY = "#1b7f4d", "#7a8b80"


@dataclasses.dataclass(frozen=True)
class _Curve:
    """One panel of a figure.

    Attributes:
      axis: Label of the y axis.
      lines: (field of EpochMetrics, name in the legend, colour); those without a value are not drawn.
      caption: What the panel shows.
      height: Height in inches.
      top: Top of the y axis; None fits it to the values.
      limit: Value to draw a dotted line at; also formats the axis as percent.
    """

    axis: str
    lines: tuple[tuple[str, str, str], ...]
    caption: str
    height: float
    top: float | None = None
    limit: float | None = None


_LEARNING = (
    _Curve("loss", (("train_loss", "train", _GREY), ("val_loss", "val", _GREEN)), "loss", 2.2),
    _Curve("val macro F1", (("val_macro_f1", "val", _GREEN),), "macro F1 on val", 2.2, top=1),
    _Curve("val mean IoU", (("val_mean_iou", "val", _GREEN),), "mean IoU over the pixels of val", 2.2, top=1),
    _Curve("learning rate", (("learning_rate", "", _GREY),), "learning rate", 1.4),
)
_SPEED = (
    _Curve("{unit}s/s", (("tiles_per_second", "", _GREEN),), "{unit}s per second", 1.6),
    _Curve(
        "input wait",
        (("input_wait_share", "", _GREEN),),
        "share of the training's time spent waiting for a batch (above the dotted line training is input-bound)",
        1.6,
        limit=bottleneck.INPUT_BOUND_SHARE,
    ),
)


def summary_metrics(receipt: TrainingReceipt) -> dict[str, float]:
    """Returns ten metrics, which is what Kubeflow's page shows at once, by name; the report has the rest.

    Those of the best epoch come first by name. Non-finite ones, which break KFP, are left out.
    """
    best = receipt.history[receipt.best_epoch]
    metrics = {
        "best_epoch": float(receipt.best_epoch + 1),
        "best_train_loss": best.train_loss,
        "best_val_loss": best.val_loss,
        "best_val_macro_f1": best.val_macro_f1,
        "duration_seconds": receipt.seconds,
        "input_wait_percent": 100 * receipt.bottleneck.input_wait_share,
        "num_epochs": float(len(receipt.history)),
        "num_restarts": float(receipt.num_restarts),
        "num_workers": float(receipt.num_workers),
        "tiles_per_second": receipt.bottleneck.tiles_per_second,
    }
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def summary_line(receipt: TrainingReceipt) -> str:
    """Returns the one-line summary for the step's log."""
    best, held_up = receipt.history[receipt.best_epoch], receipt.bottleneck
    iou = "" if best.val_mean_iou is None else f" and val mean IoU {best.val_mean_iou:.3f}"
    speed = f"{held_up.tiles_per_second:,.0f} tiles/s, {bottleneck.in_short(held_up)}, "
    return (
        f"{len(receipt.history)} epochs of {receipt.backbone} by {receipt.num_workers} workers, "
        f"{speed if held_up.tiles_per_second else ''}"
        f"best epoch {receipt.best_epoch + 1} with val macro-F1 {best.val_macro_f1:.3f}{iou}, "
        f"{receipt.num_restarts} restarts, ended by {receipt.ended_by}, {_price(receipt)}"
        f"model in {receipt.model_path}"
    )


def write_report(receipt: TrainingReceipt, path: str, layout: str = "") -> None:
    """Writes the report as an HTML page; the layout decides whether it speaks of tiles or of images."""
    unit = words.unit(layout)
    is_dense = receipt.history[0].val_mean_iou is not None
    is_measured = receipt.bottleneck.tiles_per_second > 0
    speed = _SPEED[:1] if receipt.bottleneck.bound_by == "unknown" else _SPEED
    blocks = [
        report.paragraph(verdict(receipt)),
        *_curves(receipt, _LEARNING, unit),
        report.heading("Speed"),
        report.paragraph(f"T{bottleneck.speed_verdict(receipt.bottleneck)[1:]}".replace("tiles/s", f"{unit}s/s")),
        *(_curves(receipt, speed, unit) if is_measured else []),
        *_more_workers(receipt),
        report.heading("The run"),
        report.table(("", "value"), _facts(receipt, unit)),
        report.heading("Settings"),
        report.table(("", "value"), _settings(receipt)),
        report.heading("Epochs"),
        report.table(
            ("epoch", "loss", "val loss", "val F1", *(["val IoU"] if is_dense else []), f"{unit}s/s", "wait"),
            [
                (
                    f"{row.epoch + 1}",
                    *(words.as_score(value, math.isfinite(value)) for value in _scores(row)),
                    _measured(row, f"{row.tiles_per_second:,.0f}"),
                    _measured(row, f"{row.input_wait_share:.0%}"),
                )
                for row in receipt.history[-_MAX_TABLE_ROWS:]
            ],
        ),
        report.paragraph(
            f"val F1: macro F1 on val. {'val IoU: mean IoU over the pixels of val. ' if is_dense else ''}"
            "wait: share of the training's time spent waiting for a batch."
        ),
    ]
    report.write_page(path, "Training", blocks)


def _scores(row: EpochMetrics) -> list[float]:
    scores = [row.train_loss, row.val_loss, row.val_macro_f1]
    return scores if row.val_mean_iou is None else [*scores, row.val_mean_iou]


def _measured(row: EpochMetrics, text: str) -> words.Number:
    """Returns what was measured of an epoch's speed; a dash if it was too short to measure any."""
    return words.Number(text) if row.tiles_per_second else words.NOTHING


def verdict(receipt: TrainingReceipt) -> str:
    """Returns one or two sentences: how good the model is, and what may improve it."""
    best, last = receipt.history[receipt.best_epoch], receipt.history[-1]
    iou = "" if best.val_mean_iou is None else f" and a mean IoU of {best.val_mean_iou:.3f}"
    text = (
        f"Epoch {receipt.best_epoch + 1} of {len(receipt.history)} was the best, with a validation macro F1 of "
        f"{best.val_macro_f1:.3f}{iou}; its weights are exported."
    )
    if receipt.ended_by == "early_stopping":
        patience = receipt.config["early_stopping_patience"]
        return text + f" Training stopped early, {patience} epochs after the last improvement."
    if receipt.ended_by == "max_seconds":
        return text + " Training ended because train_max_seconds was up: more time may help."
    if receipt.ended_by == "max_cost":
        return text + " Training ended because train_max_cost was up: more money may help."
    if receipt.best_epoch == last.epoch and last.epoch > 0 and last.val_loss < receipt.history[-2].val_loss:
        return text + " The validation loss was still falling at the end: more epochs may help."
    lowest = min(receipt.history, key=lambda row: row.val_loss)
    if last.val_loss > 1.2 * lowest.val_loss and last.train_loss < lowest.train_loss:
        return text + f" After epoch {lowest.epoch + 1} the validation loss rose again: the model began to overfit."
    return text + " The validation loss had levelled off by the end."


def _facts(receipt: TrainingReceipt, unit: str) -> list[tuple[str, str]]:
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
        *_speed(receipt.bottleneck, unit),
        ("duration", words.as_duration(receipt.seconds)),
        *_cost(receipt, unit),
    ]


def _more_workers(receipt: TrainingReceipt) -> list[str]:
    if not (rows := more_workers.outlook_rows(receipt)):
        return []
    return [
        report.heading("More or fewer workers"),
        report.table(("workers", "time", "cost"), rows),
        report.paragraph(more_workers.outlook_note(receipt)),
    ]


def _price(receipt: TrainingReceipt) -> str:
    return f"{words.as_money(receipt.cost.cost, receipt.cost.currency)}, " if receipt.cost else ""


def _cost(receipt: TrainingReceipt, unit: str) -> list[tuple[str, str]]:
    cost, pods = receipt.cost, receipt.pods
    if cost is None:
        return []
    each = cost.cost_of_1000_tiles
    of_tiles = f", {words.as_money(each, cost.currency)} for 1,000 {unit}s" if each is not None else ""
    verified = "" if cost.is_verified else "; nobody has verified that price"
    return [
        ("cost", f"{words.as_money(cost.cost, cost.currency)}{of_tiles}"),
        ("charged as", f"{receipt.profile}, at prices of {cost.prices_of} ({cost.prices_source}){verified}"),
        ("energy", words.as_energy(cost.kwh)),
        (
            "time of the workers' nodes",
            f"{words.as_duration(pods.running)} running, {words.as_duration(pods.starting)} to start, "
            f"{words.as_duration(pods.lost)} in attempts that failed; {words.as_duration(pods.waiting)} waiting for a "
            "node, which costs nothing",
        ),
    ]


def _speed(measured: Bottleneck, unit: str) -> list[tuple[str, str]]:
    if not measured.tiles_per_second:
        return [(f"{unit}s/s", words.NOTHING)]
    rows = [(f"{unit}s/s", f"{measured.tiles_per_second:,.0f}")]
    if measured.bound_by != "unknown":
        rows.append(("waiting for input", f"{measured.input_wait_share:.1%}"))
    return rows


def _settings(receipt: TrainingReceipt) -> list[tuple[str, str]]:
    """Returns the settings of TrainConfig, under their own names."""
    return [(name, "none" if value in ("", None) else str(value)) for name, value in receipt.config.items()]


def _curves(receipt: TrainingReceipt, rows: Sequence[_Curve], unit: str) -> list[str]:
    """Returns the panels that have a value, as one figure with a caption of what is drawn; empty if none has."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    drawn = {row: lines for row in rows if (lines := [line for line in row.lines if _has_values(receipt, line[0])])}
    if not drawn:
        return []
    epochs = [row.epoch + 1 for row in receipt.history]
    heights = [row.height for row in drawn]
    figure = Figure(figsize=(5, sum(heights)), layout="constrained")
    panels = figure.subplots(len(drawn), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    for axes, (row, lines) in zip(panels, drawn.items(), strict=True):
        for name, label, colour in lines:
            values = [getattr(epoch, name) for epoch in receipt.history]
            axes.plot(epochs, values, color=colour, label=label, marker="o" if len(epochs) == 1 else None)
        axes.set_ylabel(row.axis.format(unit=unit))
        axes.set_ylim(bottom=0, top=row.top)
        if len(row.lines) > 1:  # beside the curves, above the panel
            axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(lines), borderaxespad=0)
        if row.limit is not None:
            axes.axhline(row.limit, color=_GREY, linewidth=1.2, linestyle=":")
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.axvline(receipt.best_epoch + 1, color="#c9d3cc", linewidth=1.2, zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#eef2ef")
        axes.set_axisbelow(True)
    panels[-1].set_xlabel("epoch")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    shown = ", ".join(row.caption.format(unit=unit) for row in drawn)
    caption = f"{shown[0].upper()}{shown[1:]}, by epoch. The upright line marks the best epoch."
    return [report.figure(figure, caption)]


def _has_values(receipt: TrainingReceipt, name: str) -> bool:
    values = [getattr(epoch, name) for epoch in receipt.history]
    return any(value is not None and math.isfinite(value) for value in values)
