"""The result of a local run: `summary.json` for scripts, a table for people."""

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from components import words
from components.contracts import (
    ClassScores,
    Decision,
    DenseScores,
    Evaluation,
    IgnoredFiles,
    Manifest,
    MissingMasks,
    NotSure,
    PushReceipt,
    Reliability,
    Robustness,
    RunCost,
    SliceScore,
)
from components.contracts.evaluation import Interval
from components.contracts.gate import IN_LOG
from components.cost.prices import LAPTOP, read_prices
from components.cost.run_cost import run_cost
from components.errors import naming_place
from components.printable import printable
from pipeline.local.run_local import ARTIFACTS_DIR
from pipeline.local.sweep_summary import SweepSummary, print_sweep, summarize_sweep

SUMMARY_FILE = "summary.json"
# The name of each report in the run's folder, by the task that writes it.
_REPORTS = {"merge": "data", "train": "training", "evaluate": "evaluation", "gate": "decision"}  # "<name>_report"


class Metrics(msgspec.Struct, frozen=True):
    """Scores on the test split, all in 0..1.

    Attributes:
      per_class: By class name and score.
      intervals: The 95 % interval of each total, by its name.
      class_intervals: That of each score of a class, by class name and score.
      reliability: How far the probabilities can be taken at their word; see components/contracts/calibration.py.
      not_sure: When the model says "not sure", and what came of it.
      worst_slice: The part of the test split that is most evidently below the others; `worst_slice_is_worse` says
        whether that is more than noise.
      robustness: What became of the answers when the images were changed.
      num_label_doubts: The labels of val and test that the model doubts.
      label_doubts: The list of the first of them, under data_root; empty if there is none.
      dense: What the maps of a dense head score; see components/contracts/dense.py.
    """

    macro_f1: float
    map: float
    macro_roc_auc: float
    per_class: dict[str, dict[str, float]]
    intervals: dict[str, Interval]
    class_intervals: dict[str, dict[str, Interval]]
    reliability: Reliability | None = None
    not_sure: NotSure | None = None
    worst_slice: SliceScore | None = None
    worst_slice_is_worse: bool = False
    robustness: Robustness | None = None
    num_label_doubts: int = 0
    label_doubts: str = ""
    dense: DenseScores | None = None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The content of summary.json.

    Attributes:
      ignored, missing_masks: What the source holds beside its tiles, and the masks that it lacks.
      decision: "push" or "refuse"; `outcome` says why in one word, and `reason` in one line.
      gate: The numbers of the decision, by the names of Decision; None for what was not compared.
      model_version, model_uri: The pushed model; None if none was pushed.
      reports: HTML files by name: data, training, evaluation, decision; of a sweep, sweep.
      sweep: The trials; left out of a run that is none.
      step_seconds: Wall time by step.
      cost: What the run cost, by step; components/contracts/runs/cost.py explains it.
      cost_of_1000_tiles: The same for 1,000 tiles of the dataset.
      price_warning: What to be warned of about the prices; empty if nothing.
    """

    tiles: int
    rejected_tiles: int
    shards: int
    ignored: tuple[IgnoredFiles, ...] = ()
    missing_masks: tuple[MissingMasks, ...] = ()
    manifest_sha256: str
    metrics: Metrics
    decision: str
    outcome: str
    reason: str
    gate: dict[str, Any]
    model_version: str | None
    model_uri: str | None
    reports: dict[str, str]
    step_seconds: dict[str, float]
    total_seconds: float
    cost: RunCost | None = None
    cost_of_1000_tiles: float | None = None
    price_warning: str = ""
    sweep: SweepSummary | msgspec.UnsetType = msgspec.UNSET


def _artifact(run_dir: Path, task: str, name: str) -> Path | None:
    # kfp.local keeps an artifact at <root>/<pipeline>-<time>/<task>/<name>.
    return next((run_dir / ARTIFACTS_DIR).glob(f"*/{task}/{name}"), None)


def _required(run_dir: Path, task: str, name: str) -> Path:
    path = _artifact(run_dir, task, name)
    if path is None:
        raise FileNotFoundError(f"the run in {str(run_dir)!r} left no {name} of {task}")
    return path


def summarize(run_dir: Path, step_seconds: dict[str, float], total_seconds: float) -> Summary:
    """Builds the summary of a finished run from its artifacts, and copies the reports to `run_dir`."""
    manifest = Manifest.read(_required(run_dir, "merge", "manifest"))
    evaluation = Evaluation.read(_required(run_dir, "evaluate", "evaluation"))
    decision = Decision.read(_required(run_dir, "gate", "decision_document"))
    pushed_path = _artifact(run_dir, "push", "push_receipt")
    pushed = PushReceipt.read(pushed_path) if pushed_path else None
    if (decision.decision == "push") is (pushed is None):
        raise FileNotFoundError(f"the gate said {decision.decision!r}, and the run in {str(run_dir)!r} did otherwise")
    searched = _artifact(run_dir, "choose", "sweep_result")
    reports = {}
    for task, name in (_REPORTS | ({"choose": "sweep"} if searched else {})).items():
        target = run_dir / f"{name}.html"
        shutil.copyfile(_required(run_dir, task, f"{name}_report"), target)
        reports[name] = str(target)
    prices = read_prices()
    cost = run_cost({step: (LAPTOP, seconds) for step, seconds in step_seconds.items()}, prices, manifest.num_tiles)
    scores, slices, doubts = evaluation.candidate, evaluation.slices, evaluation.doubts
    return Summary(
        tiles=manifest.num_tiles,
        rejected_tiles=manifest.num_rejected,
        shards=manifest.num_shards,
        ignored=manifest.ignored or (),
        missing_masks=manifest.missing_masks or (),
        manifest_sha256=manifest.sha256,
        metrics=Metrics(
            macro_f1=scores.macro_f1,
            map=scores.map,
            macro_roc_auc=scores.macro_roc_auc,
            per_class={name: _numbers(value) for name, value in scores.per_class.items()},
            intervals=scores.intervals,
            class_intervals={name: value.intervals for name, value in scores.per_class.items()},
            reliability=evaluation.reliability,
            not_sure=evaluation.not_sure,
            worst_slice=slices.worst_score if slices else None,
            worst_slice_is_worse=slices is not None and slices.is_worse,
            robustness=evaluation.robustness,
            num_label_doubts=doubts.num_doubts if doubts else 0,
            label_doubts=doubts.path if doubts else "",
            dense=evaluation.dense,
        ),
        decision=decision.decision,
        outcome=decision.outcome,
        gate={name: getattr(decision, name) for name in (*IN_LOG, "class_differences")},
        reason=decision.reason,
        model_version=pushed.model_version if pushed else None,
        model_uri=pushed.model_uri if pushed else None,
        reports=reports,
        step_seconds=step_seconds,
        total_seconds=round(total_seconds, 1),
        sweep=summarize_sweep(searched) if searched else msgspec.UNSET,
        cost=cost,
        cost_of_1000_tiles=cost.cost_of_1000_tiles,
        price_warning=prices.warning(),
    )


def _numbers(scores: ClassScores) -> dict[str, float]:
    values: dict[str, float] = {name: getattr(scores, name) for name in scores.__struct_fields__ if name != "intervals"}
    return values


def write_summary(run_dir: Path, summary: Summary) -> None:
    """Writes summary.json to the run's folder."""
    text = json.dumps(msgspec.to_builtins(summary), indent=2) + "\n"
    temporary = run_dir / f".{SUMMARY_FILE}.tmp"
    with naming_place(temporary):
        temporary.write_text(text)
    temporary.replace(run_dir / SUMMARY_FILE)


def point_latest(run_dir: Path) -> None:
    """Points the link `latest`, next to the run's folder, at the run, however it ended."""
    link = run_dir.parent / f".latest.{run_dir.name}"
    link.symlink_to(run_dir.name)
    link.replace(run_dir.parent / "latest")


def _weak_at(metrics: Metrics) -> str:
    """Returns where the model is weak, in one line."""
    parts = []
    worst = metrics.worst_slice
    if worst and worst.difference and metrics.worst_slice_is_worse:
        parts.append(f"{worst.title} ({worst.difference[0]:+.3f} macro F1)")
    if metrics.robustness and metrics.robustness.rows:
        row = min(metrics.robustness.rows, key=lambda row: row.difference[0])
        if row.difference[2] < 0:
            parts.append(f"images changed: {row.change} ({row.difference[0]:+.3f})")
    if metrics.num_label_doubts:
        parts.append(f"{metrics.num_label_doubts:,} labels that it doubts, listed in {metrics.label_doubts}")
    return "; ".join(parts) or "-"


def _cost(cost: RunCost) -> str:
    text = f"{words.as_money(cost.cost, cost.currency)}, {words.as_energy(cost.kwh)}"
    each = cost.cost_of_1000_tiles
    return f"{text}; {words.as_money(each, cost.currency)} for 1,000 tiles" if each else text


def _maps(dense: DenseScores) -> str:
    low, high = dense.interval
    return f"mean IoU {dense.mean_iou:.3f} [{low:.3f}, {high:.3f}] over the pixels of the test tiles"


def print_summary(console: Console, summary: Summary) -> None:
    """Prints the summary for people to read."""
    if summary.sweep:
        print_sweep(console, summary.sweep)
    table = Table(title="On the test split, which training has not seen", title_justify="left", title_style="bold")
    for name in ("class", "precision", "recall", "F1", "AP", "tiles"):
        table.add_column(name, justify="left" if name == "class" else "right")
    columns = ("precision", "recall", "f1", "average_precision")
    for name, values in summary.metrics.per_class.items():
        is_judged = bool(values["support"])
        # As a Text: what stands in brackets in a string is taken for markup.
        scores = (words.as_score(values[key], is_judged) for key in columns)
        table.add_row(Text(printable(name)), *scores, f"{values['support']:.0f}")
    table.add_section()
    is_judged = any(values["support"] for values in summary.metrics.per_class.values())
    macro = (words.as_score(value, is_judged) for value in (summary.metrics.macro_f1, summary.metrics.map))
    table.add_row("macro", "", "", *macro, "")
    console.print()
    console.print(table)
    steps = ", ".join(f"{step} {seconds:.0f} s" for step, seconds in summary.step_seconds.items())
    answers = []
    if found := summary.metrics.reliability:
        answers.append(f"calibration error {found.ece_before:.3f}, calibrated {found.ece:.3f}")
    if bounds := summary.metrics.not_sure:
        answers.append(f"{bounds.share:.0%} not sure, {bounds.miss_rate:.0%} of the patterns missed")
    lines = {
        "tiles": f"{summary.tiles:,} good, {summary.rejected_tiles:,} rejected, in {summary.shards} shards",
        "dataset": f"manifest {summary.manifest_sha256[:16]}",
        "answers": "; ".join(answers) or "-",
        **({"maps": _maps(dense)} if (dense := summary.metrics.dense) else {}),
        "weak at": _weak_at(summary.metrics),
        "decision": summary.reason,
        "model": summary.model_uri or "nothing pushed",
        "time": f"{summary.total_seconds:.0f} s ({steps})",
        **({"cost": _cost(summary.cost)} if summary.cost else {}),
        **({"prices": summary.price_warning} if summary.price_warning else {}),
    } | {f"{name} report": path for name, path in summary.reports.items()}
    for name, value in lines.items():
        console.print(Text(f"{name:<17}  {printable(value)}"), soft_wrap=True)
