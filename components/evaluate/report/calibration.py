"""The section on calibration: how far probabilities can be taken at their word, before and after."""

from typing import Any

from components import report, words
from components.contracts import Evaluation
from components.evaluate.reading.columns import forget
from components.evaluate.report.findings import Findings
from components.scoring.reliability import ReliabilityBins, reliability_bins

_MOST_FIGURES = 9
_BEFORE, _AFTER = "#767676", "#0072b2"


def calibration_blocks(found: Findings) -> list[str]:
    """Returns the blocks; empty for an evaluation without calibration, or if nothing was judged."""
    reliability, judged = found.evaluation.reliability, found.judged_classes()
    if reliability is None or not judged:
        return []
    of_class = reliability.per_class
    judged.sort(key=lambda each: (-of_class[each[1]].ece, each[0]))
    rows = [
        (name, *(words.as_score(getattr(of, field)) for field in ("ece_before", "ece", "brier_before", "brier")))
        for name, of in [("mean", reliability), *((name, of_class[name]) for _, name, _ in judged)]
    ]
    header = ["class", "ECE before", "ECE", "Brier before", "Brier"]
    table = report.table(header, rows)
    shown = judged[:_MOST_FIGURES]
    which = f" The {len(shown)} of {len(judged):,} classes with the highest ECE." if len(judged) > len(shown) else ""
    return [
        report.heading("Calibration: can its probabilities be taken at their word?"),
        report.paragraph(_verdict(found.evaluation)),
        *(_figures(found, [(c, name) for c, name, _ in shown], which) if found.tiles.uncalibrated is not None else []),
        *([report.folded(f"All {len(judged):,} classes", "", [table])] if which else [table]),
        report.paragraph(
            "ECE, the expected calibration error: how far the mean probability of similar tiles lies from the share "
            "of them that have the class. Brier: the mean squared distance of a probability from the truth. Both are "
            "better the lower. Before: the model's own output; the calibration is chosen on val, and all is measured "
            "on test."
        ),
    ]


def _verdict(evaluation: Evaluation) -> str:
    of = evaluation.reliability
    assert of is not None
    better = "Calibration lowers" if of.ece < of.ece_before else "Calibration does not lower"
    return f"{better} the mean calibration error: from {of.ece_before:.3f} to {of.ece:.3f} over the classes."


def _figures(found: Findings, classes: list[tuple[int, str]], which: str) -> list[str]:
    """Returns a small reliability plot for each class."""
    tiles, num_units = found.tiles, len(found.sums.fields)
    assert tiles.uncalibrated is not None
    plots = []
    for c, name in classes:
        before, after = (
            reliability_bins(of[:, c], tiles.labels[:, c], tiles.unit_of_tile, num_units)
            for of in (tiles.uncalibrated, tiles.probabilities)
        )
        forget(tiles.uncalibrated, tiles.probabilities, tiles.labels)
        plots.append(report.figure(_plot(before, after), name))
    grid = "display:grid;gap:4px;grid-template-columns:repeat(auto-fill,minmax(112px,1fr));max-width:640px"
    return [
        report.legend([(_BEFORE, "before"), (_AFTER, "after, with 95 % intervals")]),
        f'<div style="{grid}">{"".join(plots)}</div>',
        report.paragraph(
            "Across: the mean probability of tiles with similar ones. Up: the share of them that have the class. Both "
            f"run from 0 to 1, and right is on the dotted line.{which}"
        ),
    ]


def _plot(before: ReliabilityBins, after: ReliabilityBins) -> Any:
    from matplotlib.figure import Figure

    plot = Figure(figsize=(1.7, 1.7), layout="constrained")
    axes = plot.subplots()
    axes.plot([0, 1], [0, 1], ":", color=_BEFORE, linewidth=1)
    axes.plot(before.predicted, before.observed, "-o", color=_BEFORE, markersize=3, linewidth=1, markerfacecolor="#fff")
    axes.vlines(after.predicted, after.low, after.high, color=_AFTER, linewidth=1, alpha=0.5)
    axes.plot(after.predicted, after.observed, "-o", color=_AFTER, markersize=3, linewidth=1)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], aspect="equal")
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    return plot
