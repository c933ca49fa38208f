"""Shows the comparison with an earlier dataset on a terminal and in the data report."""

from collections.abc import Sequence

from components import report
from components.dataset.drift.compare import FALSE_ALARM_RATE
from components.dataset.drift.findings import BandShift, ClassShift, Drift, percent
from components.dataset.drift.served_findings import ServedDrift

_CLASS_HEADER = ("class", "earlier", "now", "index", "chance", "shift")
_BAND_HEADER = ("band", "earlier", "now", "in stds", "distance", "JS", "JS splits", "shift")
_EXPLANATION = (
    "Classes: shares of the tiles that have the class. Bands: means of the valid pixels, 0 to 1. Index: population "
    "stability index. Chance: probability that fields from one population differ this much, adjusted for the number "
    "of tests. Distance: how far the average pixel moves between the histograms, 0 to 1. JS: Jensen-Shannon distance "
    "of the histograms, 0 to 1. JS splits: the largest such distance between two splits of one dataset, which "
    "different fields alone cause. A shift has a chance below "
    f"{FALSE_ALARM_RATE:g}, or histograms farther apart than splits are, and is large enough to matter."
)


def drift_text(drift: Drift) -> str:
    """Returns the verdict on the first line, then what was compared, a table of classes and a table of bands."""
    lines = [drift.verdict, f"{drift.dataset_id}: {drift.size}", f"{drift.earlier_id}: {drift.earlier_size}"]
    return "\n".join([*lines, *_table_lines(drift.classes, drift.bands)])


def _table_lines(classes: Sequence[ClassShift], bands: Sequence[BandShift]) -> list[str]:
    lines = []
    tables = ((_CLASS_HEADER, [*map(_class_row, classes)]), (_BAND_HEADER, [*map(_band_row, bands)]))
    for header, rows in tables:
        lines.append("")
        for name, *cells in (header, *rows):
            lines.append(f"{name:<22}" + "".join(f"{cell:>10}" for cell in cells[:-1]) + f"  {cells[-1]}")
    return [line.rstrip() for line in lines]


def served_text(drift: ServedDrift) -> str:
    """Returns what to do on the first line, then what was compared, a table of answers and a table of bands."""
    lines = [
        f"{drift.to_do}: {drift.reason}",
        f"served: {drift.num_tiles:,} tiles with {drift.version}, {drift.since} to {drift.until}",
        f"earlier: {drift.dataset_id}; of the classes, what the model said of its test tiles",
    ]
    return "\n".join([*lines, *_table_lines(drift.classes, drift.bands)])


def drift_blocks(drift: Drift) -> list[str]:
    """Returns the section of the data report."""
    verdict = drift.verdict
    return [
        report.heading("Compared with the earlier dataset"),
        report.paragraph(f"{verdict[0].upper()}{verdict[1:]}."),
        report.paragraph(
            f"{drift.size} here, {drift.earlier_size} in {drift.earlier_id}. "
            f"{drift.total_variation:.0%} of the labels would have to change class to make the two alike "
            f"(Jensen-Shannon distance {drift.jensen_shannon:.2f})."
        ),
        report.table(_CLASS_HEADER, [_class_row(each) for each in drift.classes]),
        report.table(_BAND_HEADER, [_band_row(band) for band in drift.bands]),
        report.paragraph(_EXPLANATION),
    ]


def _class_row(shift: ClassShift) -> tuple[str, ...]:
    return (
        shift.name,
        percent(shift.earlier_share),
        percent(shift.share),
        f"{shift.stability_index:.2f}",
        _chance(shift.p_value),
        "yes" if shift.is_shift else "",
    )


def _band_row(band: BandShift) -> tuple[str, ...]:
    found = {"mean": band.is_mean_shift, "deviation": band.is_std_shift, "histogram": band.is_shape_shift}
    return (
        band.name,
        f"{band.earlier_mean:.3f}",
        f"{band.mean:.3f}",
        f"{band.shift_stds:+.2f}",
        f"{band.distance:.3f}",
        f"{band.jensen_shannon:.2f}",
        "-" if band.split_jensen_shannon is None else f"{band.split_jensen_shannon:.2f}",
        ", ".join(kind for kind, is_found in found.items() if is_found),
    )


def _chance(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"
