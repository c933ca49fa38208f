"""Scores a split from its columns, as the evaluate step does once its models have answered: generated, without pixels.

`write_columns` makes them, and the stage "score" of memory_stage.py reads them again and does the rest.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from components.evaluate import calibrating
from components.evaluate.field_intervals import CANDIDATE, PRODUCTION, with_intervals, write_sums
from components.evaluate.judged import judge, sum_judged
from components.evaluate.kept_predictions import write_predictions
from components.evaluate.reading.columns import ColumnWriter, derive, forget, read_columns
from components.evaluate.reading.predictions import SplitColumns
from components.evaluate.reading.tile_names import NameWriter
from components.evaluate.reading.units import UnitNumbers, group_names, sorted_units
from components.evaluate.report.findings import AnsweredTiles
from components.evaluate.report.overview import look_over
from components.evaluate.scores import confusion_matrix, micro_roc
from components.evaluate.thresholds import choose_thresholds
from components.scoring import ranking
from components.scoring.reliability import reliability_bins

_MODE = "multi_label"
SECONDS = "seconds.json"
_CLASSES = "classes.json"
_ROWS_AT_ONCE = 100_000
_TILES_PER_FIELD = 28
_RATES = (0.30, 0.23, 0.17, 0.075, 0.058, 0.046, 0.042, 0.038, 0.006)  # as in the paper release
_T = TypeVar("_T")


def write_columns(root: Path, num_tiles: int, num_classes: int = len(_RATES)) -> None:
    """Writes the columns of a pass over tiles with effects of their fields, 28 each."""
    rng = np.random.default_rng(0)
    rates = np.resize(_RATES, num_classes)
    (root / _CLASSES).write_text(json.dumps([f"class{c}" for c in range(num_classes)]))
    with (
        ColumnWriter(root / "labels.npy", num_tiles, num_classes, np.bool_) as labels,
        ColumnWriter(root / "candidate.npy", num_tiles, num_classes, np.float32) as candidate,
        ColumnWriter(root / "production.npy", num_tiles, num_classes, np.float32) as production,
        ColumnWriter(root / "positions.npy", num_tiles, 1, np.int64) as positions,
    ):
        for first in range(0, num_tiles, _ROWS_AT_ONCE):
            rows = np.arange(first, min(first + _ROWS_AT_ONCE, num_tiles))
            fields = np.random.default_rng(first).standard_normal((len(rows) // _TILES_PER_FIELD + 2, num_classes))
            ease = fields[(rows - first) // _TILES_PER_FIELD].astype(np.float32)
            true = rng.random((len(rows), num_classes), np.float32) < rates
            labels.add(true)
            for writer in (candidate, production):
                noise = rng.standard_normal((len(rows), num_classes), np.float32)
                logits = 3 * (true * (1 + 0.5 * ease) - 0.5) + noise
                writer.add(logits if writer is candidate else _served(logits))
            positions.add(rows[:, np.newaxis])
        for writer in (labels, candidate, production, positions):
            writer.finish()


def _served(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return calibrating.apply_calibration(logits, calibrating.no_calibration(logits.shape[1]), _MODE)


def score_columns(root: Path) -> None:
    """Does all that the evaluate step does with the columns, and the report where it reads them; writes their seconds.

    The rest of the report takes the same whatever the number of tiles.

    Beside the seconds that passed stand those of the processors, which other processes do not lengthen.
    """
    seconds: dict[str, tuple[float, float]] = {}

    def timed(name: str, work: Callable[[], _T]) -> _T:
        started = time.perf_counter(), time.process_time()
        result = work()
        seconds[name] = time.perf_counter() - started[0], time.process_time() - started[1]
        return result

    classes = json.loads((root / _CLASSES).read_text())
    tiles = timed("names and units", lambda: _tiles(root))
    logits = tiles.answers[CANDIDATE]
    calibration = timed("calibration", lambda: calibrating.fit_calibration(tiles, logits, _MODE))
    probabilities = timed(
        "probabilities",
        lambda: derive(
            root / "p.npy", lambda rows: calibrating.apply_calibration(rows, calibration, _MODE), logits, np.float32
        ),
    )
    thresholds = timed("thresholds", lambda: choose_thresholds(probabilities, tiles.labels, tiles.unit_of_tile))
    bounds = timed("not sure", lambda: calibrating.choose_bounds(tiles, probabilities, 0.1, thresholds, _MODE))
    tiles.forget()
    uncalibrated = derive(root / "u.npy", _served, logits, np.float32)
    timed("reliability", lambda: calibrating.reliability(classes, tiles.labels, uncalibrated, probabilities))
    timed("exact AP", lambda: ranking.average_precision(tiles.labels, probabilities))
    tiles.forget()
    answers = {CANDIDATE: probabilities, PRODUCTION: tiles.answers[PRODUCTION]}
    judged = {
        name: timed(
            f"decisions and scores of {name}",
            lambda name=name: judge(tiles, answers[name], thresholds, classes, _MODE, root / f"{name}_predicted.npy"),
        )
        for name in answers
    }
    predicted = judged[CANDIDATE].predicted
    timed("missed", lambda: calibrating.measured(bounds, classes, tiles, predicted, probabilities))
    sums = timed("sums by field", lambda: sum_judged(classes, tiles, judged))
    timed("intervals", lambda: with_intervals(sums, {name: model.scores for name, model in judged.items()}))
    timed("fields.jsonl", lambda: write_sums(str(root), "evaluations/fields", root, sums))
    timed("confusion", lambda: confusion_matrix(tiles.labels, judged[CANDIDATE].predicted, classes, _MODE))
    timed("ROC", lambda: micro_roc(tiles.labels, probabilities))
    shown = AnsweredTiles(tiles.labels, probabilities, predicted, tiles.positions, tiles.unit_of_tile, uncalibrated)
    timed("report: tiles to show", lambda: look_over(shown, thresholds, range(len(classes))))
    timed("report: calibration", lambda: _reliability_plots(shown, len(sums.fields)))
    timed(
        "predictions.npz", lambda: write_predictions(str(root), root, tiles, judged, tiles.answers[CANDIDATE], "bench")
    )
    (root / SECONDS).write_text(json.dumps(seconds))


def _reliability_plots(tiles: AnsweredTiles, num_units: int) -> None:
    """Counts what the report's figures of all classes show, as report/calibration.py does."""
    assert tiles.uncalibrated is not None
    for c in range(tiles.labels.shape[1]):
        for of in (tiles.uncalibrated, tiles.probabilities):
            reliability_bins(of[:, c], tiles.labels[:, c], tiles.unit_of_tile, num_units)
        forget(tiles.uncalibrated, tiles.probabilities, tiles.labels)


def _tiles(root: Path) -> SplitColumns:
    """Returns the columns, with names and units as a pass finds them."""
    labels, positions = read_columns(root / "labels.npy"), read_columns(root / "positions.npy")[:, 0]
    numbers = UnitNumbers()
    with (
        NameWriter(root / "tile_ids", len(labels)) as tile_ids,
        NameWriter(root / "field_ids", len(labels)) as field_ids,
        ColumnWriter(root / "units.npy", len(labels), 2, np.int32) as units,
    ):
        for first in range(0, len(labels), 32):
            rows = range(first, min(first + 32, len(labels)))
            fields = [f"FIELD{row // _TILES_PER_FIELD:08}" for row in rows]
            tile_ids.add([f"{field}_{row}-0-512-512" for field, row in zip(fields, rows, strict=True)])
            field_ids.add(fields)
            units.add(numbers.of(fields))
        of_tile = units.finish()[:, int(numbers.too_many)]
        names = group_names() if numbers.too_many else numbers.names()
        return SplitColumns(
            tile_ids.finish(),
            field_ids.finish(),
            labels,
            positions,
            *sorted_units(names, of_tile),
            numbers.too_many,
            {name: read_columns(root / f"{name}.npy") for name in (CANDIDATE, PRODUCTION)},
            np.zeros((len(labels), 0), np.float32),
            {},
        )
