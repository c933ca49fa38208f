"""The section of the data report on bands: mean, deviation and histogram, by split and by year."""

import math

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from components import report
from components.agrivision import BANDS
from components.contracts import Manifest
from components.dataset.field_table import FieldTable

_COLOURS = dict(zip(BANDS, ("#c0392b", "#2e8b57", "#2b6cb0", "#6b4c9a"), strict=True))
_MAX_VALUE = 255


def band_blocks(manifest: Manifest, fields: FieldTable) -> list[str]:
    """Returns the blocks of the section."""
    splits = manifest.splits
    rows = [
        (band, *(_moments(split.band_mean[index], split.band_std[index]) for split in splits.values()))
        for index, band in enumerate(manifest.bands)
    ]
    return [
        report.heading("Bands"),
        report.table(("band", *splits), rows),
        *_by_year(manifest, fields),
        report.paragraph("Mean ± standard deviation of the valid pixels, on a scale of 0 to 1."),
        report.figure(_histograms(manifest), "Valid pixels by value: train (thick) and test (thin)."),
    ]


def _histograms(manifest: Manifest) -> Figure:
    plot = Figure(figsize=(5, 2.4))
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
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(manifest.bands), borderaxespad=0)
    return plot


def _by_year(manifest: Manifest, fields: FieldTable) -> list[str]:
    year_of_row = fields.years()
    years = np.unique(year_of_row).tolist()
    if years in ([], [0]):
        return []
    moments = {
        str(year or "no year"): _field_moments(fields, year_of_row == year, len(manifest.bands)) for year in years
    }
    rows = [(band, *(each[index] for each in moments.values())) for index, band in enumerate(manifest.bands)]
    return [report.table(("band", *moments), rows)]


def _field_moments(fields: FieldTable, rows: NDArray[np.bool_], num_bands: int) -> list[str]:
    """Returns mean and deviation of each band; in Python's integers, because the products exceed 64 bits."""
    count = int(fields.valid_pixels[rows].sum())
    moments = []
    for band in range(num_bands):
        first, second = int(fields.band_sums(band)[rows].sum()), int(fields.band_squares(band)[rows].sum())
        moments.append(
            _moments(first / count / _MAX_VALUE, math.sqrt(count * second - first * first) / count / _MAX_VALUE)
        )
    return moments


def _moments(mean: float, std: float) -> str:
    return f"{mean:.3f} ± {std:.3f}"
