"""Puts the report together."""

from pathlib import Path

from components.evaluate.report.calibration import calibration_blocks
from components.evaluate.report.classes import score_blocks
from components.evaluate.report.confusion import confusion_blocks
from components.evaluate.report.curves import curve_blocks
from components.evaluate.report.dense import dense_blocks, mapped_tiles
from components.evaluate.report.doubts import chosen_doubts, doubt_blocks
from components.evaluate.report.findings import Findings
from components.evaluate.report.gallery import chosen_classes, gallery_blocks
from components.evaluate.report.headline import headline
from components.evaluate.report.not_sure import not_sure_blocks
from components.evaluate.report.overview import look_over
from components.evaluate.report.pictures import read_shown
from components.evaluate.report.robustness import robustness_blocks
from components.evaluate.report.slices import slice_blocks
from components.evaluate.report.versus import versus_blocks
from components.evaluate.report.whiskers import STYLE
from components.report import write_page
from components.saved_model.asking import AskedModel


def write_report(found: Findings, data_root: str, model: AskedModel, path: Path) -> None:
    """Writes the report as an HTML page.

    Args:
      data_root: Where the shards are, whose tiles are shown.
      model: The candidate, which says where in a tile it sees a class.

    Raises:
      DataError: if a tile or the model cannot be read.
    """
    seen = look_over(found.tiles, found.evaluation.thresholds, chosen_classes(found))
    rows = {tile.row for tile in seen.tiles} | set(mapped_tiles(found).values())
    positions = {"test": {int(found.tiles.positions[row]) for row in rows}}
    for doubt in chosen_doubts(found):
        positions.setdefault(doubt.split, set()).add(doubt.position)
    tiles = {split: read_shown(data_root, found.manifest, split, of, model) for split, of in positions.items()}
    blocks = [
        *headline(found),
        *score_blocks(found, seen),
        *versus_blocks(found),
        *dense_blocks(found, tiles["test"]),
        *confusion_blocks(found),
        *curve_blocks(found),
        *calibration_blocks(found),
        *not_sure_blocks(found),
        *slice_blocks(found),
        *robustness_blocks(found),
        *gallery_blocks(found, seen, tiles["test"]),
        *doubt_blocks(found, tiles),
    ]
    write_page(path, "Evaluation", blocks, STYLE)
