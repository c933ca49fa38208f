"""The section on maps: the challenge's mean IoU, by class, and tiles beside what they should and do show."""

from collections.abc import Mapping

import numpy as np

from components import report, words
from components.agrivision import PAPER_2020_CLASSES, SUPERVISED_2021, SUPERVISED_2021_CLASSES
from components.contracts import DenseScores
from components.evaluate.report.dense_pictures import COLOURS, pictured
from components.evaluate.report.findings import Findings
from components.evaluate.report.gallery import cards
from components.evaluate.report.pictures import ShownTile
from components.evaluate.report.whiskers import Dot, Row, shortened, whiskers

BACKGROUND = "background"


def mapped_tiles(found: Findings) -> dict[int, int]:
    """Returns the row of the tile to show for each class, by its number, those with the lowest IoU first.

    Of the tiles that have the class, the one in the middle: half of the others have a smaller share of right pixels.
    """
    dense, shares = found.evaluation.dense, found.shares_right
    if dense is None or shares is None:
        return {}
    chosen = {}
    by_iou = sorted(enumerate(dense.class_iou.values()), key=lambda each: (each[1] is None, each[1] or 0.0, each[0]))
    for c, _ in by_iou:
        rows = np.flatnonzero(found.tiles.labels[:, c])
        rows = rows[np.isfinite(shares[rows])]
        if len(rows):
            chosen[c] = int(rows[np.argsort(shares[rows], kind="stable")[(len(rows) - 1) // 2]])
    return chosen


def dense_blocks(found: Findings, tiles: Mapping[int, ShownTile]) -> list[str]:
    """Returns the blocks; `tiles` are by position in the split. Empty if no maps were judged.

    Raises:
      DataError: if an image or a mask cannot be decoded.
    """
    dense = found.evaluation.dense
    if dense is None:
        return []
    unit = words.unit(found.manifest.layout)
    named = sorted(dense.class_iou.items(), key=lambda each: (each[1] is None, each[1] or 0.0))
    intervals = {**dense.class_intervals, BACKGROUND: dense.background_interval}
    notes = {name: f"threshold {value:.3f}" for name, value in zip(dense.class_iou, dense.thresholds, strict=True)}
    rows = [
        Row(name, None if value is None else Dot(value, intervals.get(name)), note=notes.get(name, ""))
        for name, value in (*named, (BACKGROUND, dense.background_iou))
    ]
    return [
        report.heading("Where the classes are"),
        report.paragraph(
            f"Mean IoU {dense.mean_iou:.3f}, 95 % interval over fields {shortened(dense.interval)}, on "
            f"{dense.num_pixels:,} valid pixels of {found.evaluation.num_test_tiles:,} test {unit}s: the metric of the "
            f"Agriculture-Vision challenges, with the maps scaled to each {unit}'s own size."
        ),
        whiskers(rows),
        report.paragraph(
            "IoU by class, the lowest first, with its 95 % interval over fields. threshold: the probability above "
            "which a place shows the class, chosen on the val split for the mean IoU. A pixel shows one class, the one "
            "furthest above its threshold, or background." + _remarks(found, dense)
        ),
        *_pictures(found, tiles),
    ]


def _remarks(found: Findings, dense: DenseScores) -> str:
    """Returns what is left out of the mean, as sentences; empty if nothing is."""
    left_out = [name for name, value in dense.class_iou.items() if value is None]
    left_out += [BACKGROUND] if dense.background_iou is None else []
    text = f" Left out of the mean, neither labelled nor predicted anywhere: {', '.join(left_out)}." if left_out else ""
    if found.manifest.layout == SUPERVISED_2021:
        unscored = set(PAPER_2020_CLASSES) - set(SUPERVISED_2021_CLASSES) - set(found.manifest.classes)
        text += "".join(
            f" As in the challenges of 2021 and 2022, {name} is not scored: its pixels are background, unless another "
            "class is labelled there."
            for name in sorted(unscored)
        )
    return text


def _pictures(found: Findings, tiles: Mapping[int, ShownTile]) -> list[str]:
    dense, classes, unit = found.evaluation.dense, found.manifest.classes, words.unit(found.manifest.layout)
    assert dense is not None
    shares = found.shares_right
    assert shares is not None
    chosen, pictures, captions = mapped_tiles(found), [], []
    seen: set[int] = set()
    for c, row in chosen.items():
        tile = tiles[int(found.tiles.positions[row])]
        if tile.maps is None:
            continue
        picture, shown = pictured(tile, dense.thresholds)
        pictures.append(picture)
        captions.append(f"{classes[c]}: {shares[row]:.0%} of the pixels right — {tile.record.tile_id}")
        seen |= shown
    if not pictures:
        return []
    return [
        report.subheading("Labelled and shown"),
        report.paragraph(
            f"For each class, of the {unit}s that have it the one in the middle by the share of right pixels: RGB, "
            "what is labelled, and what the model shows. Stripes are pixels with several labels; invalid ones are dark."
        ),
        report.legend([(COLOURS[c], classes[c]) for c in sorted(seen)]),
        cards(pictures, captions),
    ]
