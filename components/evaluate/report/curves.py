"""The section on ranking: how precision falls as recall grows, and the ROC curve, at any threshold."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components import report, words
from components.contracts import ClassScores
from components.evaluate.field_intervals import CANDIDATE
from components.evaluate.report.findings import Findings
from components.evaluate.scores import RocCurve
from components.scoring.rank_bins import BinCounts

_MOST_CURVES = 20  # in one figure
# Of Okabe and Ito, for colour-blind readers, without yellow, which is pale on white; more curves are dashed or dotted.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#56b4e9", "#e69f00")
_LINES = (("solid", "-"), ("dashed", "--"), ("dotted", ":"))  # in CSS, and in matplotlib


def curve_blocks(found: Findings) -> list[str]:
    """Returns the blocks; empty if nothing was judged."""
    judged = sorted(found.judged_classes(), key=lambda each: (each[2].average_precision, each[0]))
    result = []
    if judged:
        result += _precision_recall(found, judged)
    if found.roc.threshold:
        result += [
            report.subheading("ROC over all classes, micro-averaged"),
            _roc_figure(found.roc),
        ]
    return [report.heading("Ranking, at any threshold"), *result] if result else []


def precision_recall(bins: BinCounts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns precision and recall of a class at each edge of its bins, from the highest score down; exact there."""
    false, true = bins.by_bin()[:, ::-1].cumsum(axis=1)
    predicted = false + true
    kept = predicted > 0
    return true[kept] / predicted[kept], true[kept] / max(int(true[-1]), 1)


def _precision_recall(found: Findings, judged: Sequence[tuple[int, str, ClassScores]]) -> list[str]:
    from matplotlib.figure import Figure

    plot = Figure(figsize=(5, 3.6), layout="constrained")
    axes, names = plot.subplots(), []
    shown = judged[:_MOST_CURVES]
    for number, (c, name, scores) in enumerate(shown):
        colour = _COLOURS[number % len(_COLOURS)]
        css, line = _LINES[number // len(_COLOURS)]
        precision, recall = precision_recall(found.sums.models[CANDIDATE].bins[c])
        # A curve begins at no prediction, of which none is wrong.
        axes.plot([0, *recall], [precision[0], *precision], line, color=colour, linewidth=1.4)
        names.append((f"border-top:3px {css} {colour}", f"{name} {words.as_score(scores.average_precision)}"))
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#eef2ef")
    caption = "One curve for each class, with its average precision (AP) in the legend, the lowest first."
    if len(judged) > len(shown):
        caption += f" Of {len(judged):,} classes, the {len(shown)} with the lowest; the others are left out."
    return [
        report.subheading("Precision and recall by class"),
        report.side_by_side(report.figure(plot, caption), _legend(names)),
    ]


def _legend(entries: Sequence[tuple[str, str]]) -> str:
    """Returns a legend like report.legend, with a piece of each line; an entry is (CSS of its border, name)."""
    items = "".join(
        f'<span><i style="width:1.8em;height:0;vertical-align:middle;{style}"></i>{report.inline(name)}</span>'
        for style, name in entries
    )
    return f'<p class="legend">{items}</p>'


def _roc_figure(roc: RocCurve) -> str:
    from matplotlib.figure import Figure

    plot = Figure(figsize=(5, 3), layout="constrained")
    axes = plot.subplots()
    axes.plot([0, 1], [0, 1], ":", color="#767676", linewidth=1.2)
    axes.plot(roc.false_positive_rate, roc.true_positive_rate, color=_COLOURS[0])
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="false positive rate", ylabel="true positive rate")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#eef2ef")
    return report.figure(plot, "All classes together (micro-averaged). The dotted line is what guessing would reach.")
