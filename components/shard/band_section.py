"""The bands in the data report: mean, deviation and histogram, by split and by year."""

import collections
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from components import report
from components.agrivision import BANDS
from components.contracts import FieldSums, Manifest

_COLOURS = dict(zip(BANDS, ("#c0392b", "#2e8b57", "#2b6cb0", "#6b4c9a"), strict=True))
_MAX_VALUE = 255


def band_blocks(manifest: Manifest) -> list[str]:
    """Returns the section."""
    splits = manifest.splits
    rows = [
        (band, *(_moments(split.band_mean[index], split.band_std[index]) for split in splits.values()))
        for index, band in enumerate(manifest.bands)
    ]
    return [
        report.heading("Bands"),
        report.table(("band", *splits), rows),
        *_by_year(manifest),
        report.paragraph("Mean ± deviation of the valid pixels, 0 to 1."),
        report.figure(_histograms(manifest), "Valid pixels of train by value; thin, those of test."),
    ]


def _histograms(manifest: Manifest) -> Figure:
    plot = Figure(figsize=(6, 2.6))
    axes = plot.subplots()
    for split, width in (("test", 0.6), ("train", 1.4)):
        for band, counts in zip(manifest.bands, manifest.splits[split].band_histogram, strict=True):
            share = 100 * np.asarray(counts) / max(sum(counts), 1)
            label = band if split == "train" else None
            axes.plot(range(256), share, color=_COLOURS[band], linewidth=width, label=label)
    axes.set_xlim(0, _MAX_VALUE)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("value")
    axes.set_ylabel("% of valid pixels")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return plot


def _by_year(manifest: Manifest) -> list[str]:
    by_year: dict[int, list[FieldSums]] = collections.defaultdict(list)
    for split in manifest.splits.values():
        for field in split.fields:
            by_year[field.year].append(field)
    if not any(by_year):
        return []
    moments = {str(year or "no year"): _field_moments(fields) for year, fields in sorted(by_year.items())}
    rows = [(band, *(each[index] for each in moments.values())) for index, band in enumerate(manifest.bands)]
    return [report.table(("band", *moments), rows)]


def _field_moments(fields: Sequence[FieldSums]) -> list[str]:
    """Returns mean and deviation of each band."""
    count = sum(field.valid_pixels for field in fields)
    moments = []
    for sums, squares in zip(
        zip(*(field.band_sums for field in fields), strict=True),
        zip(*(field.band_squares for field in fields), strict=True),
        strict=True,
    ):
        first, second = sum(sums), sum(squares)
        moments.append(
            _moments(first / count / _MAX_VALUE, math.sqrt(count * second - first * first) / count / _MAX_VALUE)
        )
    return moments


def _moments(mean: float, std: float) -> str:
    return f"{mean:.3f}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{std:.3f}"
