"""One pass over the test tiles: which of them show best what the model gets right and wrong, and a few counts."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.evaluate.report.findings import AnsweredRows, AnsweredTiles

FOUND, MISSED, FALSE_ALARM, DOUBTFUL = "found", "missed", "false alarm", "doubtful"
_NONE = -1


@dataclasses.dataclass(frozen=True)
class ChosenTile:
    """One tile to show for one class.

    Attributes:
      outcome: One of the above.
      row: Among the tiles that count.
      probability: Of the class.
      true, predicted: The numbers of the tile's classes.
    """

    class_number: int
    outcome: str
    row: int
    probability: float
    true: tuple[int, ...]
    predicted: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Overview:
    """What the pass found.

    Attributes:
      tiles: For each chosen class, the surest tile found, the worst one missed, the surest false alarm and the one
        nearest to the threshold, as far as there are any.
      num_background, num_background_right: Tiles without a class, and those of them for which none was predicted.
    """

    tiles: tuple[ChosenTile, ...]
    num_background: int
    num_background_right: int


def look_over(tiles: AnsweredTiles, thresholds: Sequence[float], classes: Sequence[int]) -> Overview:
    """Looks at all test tiles once.

    Args:
      classes: The numbers of the classes to choose tiles for.
    """
    chosen: dict[tuple[int, str], ChosenTile] = {}
    scores: dict[tuple[int, str], float] = {}
    num_background = num_right = 0
    for block in tiles.blocks():
        background = ~block.labels.any(axis=1)
        num_background += int(background.sum())
        num_right += int((background & ~block.predicted.any(axis=1)).sum())
        for c in classes:
            for outcome, score in _scores(block, c, thresholds[c]).items():
                row = int(np.argmax(score)) if len(score) else _NONE
                if row != _NONE and score[row] > scores.get((c, outcome), -np.inf):
                    scores[c, outcome] = float(score[row])
                    chosen[c, outcome] = _judged(block, c, outcome, row)
    order = {c: place for place, c in enumerate(classes)}
    kinds = (FOUND, MISSED, FALSE_ALARM, DOUBTFUL)
    found = sorted(chosen.values(), key=lambda each: (order[each.class_number], kinds.index(each.outcome)))
    return Overview(tuple(_without_repeats(found)), num_background, num_right)


def _scores(block: AnsweredRows, c: int, threshold: float) -> dict[str, NDArray[np.float64]]:
    """Returns by outcome how well each tile shows it; -inf where it does not."""
    probability = block.probabilities[:, c].astype(np.float64)
    true, guess = block.labels[:, c], block.predicted[:, c]
    of = {
        FOUND: np.where(true & guess, probability, -np.inf),
        MISSED: np.where(true & ~guess, -probability, -np.inf),
        FALSE_ALARM: np.where(guess & ~true, probability, -np.inf),
    }
    # In log-odds, as a rare class's probabilities crowd near 0.
    return of | {DOUBTFUL: -np.abs(_logit(probability) - _logit(np.array(threshold)))}


def _logit(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    bounded = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(bounded / (1 - bounded)))


def _judged(block: AnsweredRows, c: int, outcome: str, row: int) -> ChosenTile:
    true, predicted = (tuple(np.flatnonzero(of[row]).tolist()) for of in (block.labels, block.predicted))
    return ChosenTile(c, outcome, block.start + row, float(block.probabilities[row, c]), true, predicted)


def _without_repeats(tiles: Sequence[ChosenTile]) -> list[ChosenTile]:
    """Leaves out the doubtful tile of a class that is shown for it already."""
    shown = {(tile.class_number, tile.row) for tile in tiles if tile.outcome != DOUBTFUL}
    return [tile for tile in tiles if tile.outcome != DOUBTFUL or (tile.class_number, tile.row) not in shown]
