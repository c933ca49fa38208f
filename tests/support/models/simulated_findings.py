"""Findings of a simulated evaluation, of as many classes and tiles as asked for, with all sections of the report."""

from pathlib import Path

import msgspec
import numpy as np
from colour_model import receipt_of
from tile_shards import fake_record, manifest_of, write_split

from components.contracts import (
    Doubt,
    Evaluation,
    FieldScore,
    FieldSpread,
    LabelDoubts,
    Robustness,
    RobustnessRow,
    Slices,
    SliceScore,
)
from components.evaluate.calibrating import (
    apply_calibration,
    choose_bounds,
    fit_calibration,
    measured,
    reliability,
)
from components.evaluate.field_intervals import CANDIDATE, PRODUCTION, with_intervals
from components.evaluate.reading.predictions import SplitColumns
from components.evaluate.report.findings import AnsweredTiles, Findings
from components.evaluate.scores import confusion_matrix, micro_roc, score
from components.scoring.field_sums import Answers, class_edges, sum_tiles

PATTERNS = (
    *("double_plant", "drydown", "endrow", "nutrient_deficiency", "planter_skip", "storm_damage", "water"),
    *("waterway", "weed_cluster"),
)


class MappingModel:
    """Stands in for the candidate: says that the middle of a tile speaks for a class, and a corner against it."""

    def __init__(self, has_maps: bool = True) -> None:
        self.has_maps = has_maps

    def has(self, function: str) -> bool:
        return self.has_maps

    def maps(self, images: dict, num_classes: int) -> np.ndarray:
        places = np.zeros((8, 8), np.float32)
        places[3:5, 3:5], places[:2, :2] = 20.0, -10.0
        return np.broadcast_to(places[..., np.newaxis], (len(images["rgb"]), 8, 8, num_classes)).copy()


def class_names(num_classes: int) -> tuple[str, ...]:
    """Returns the patterns, and more names if there are to be more classes."""
    return (*PATTERNS[:num_classes], *(f"pattern_{number:03}" for number in range(num_classes - len(PATTERNS))))


def _probabilities(rng: np.random.Generator, labels: np.ndarray, field_of_tile: np.ndarray, skill: float) -> np.ndarray:
    num_classes = labels.shape[1]
    of_class = skill * np.linspace(0.6, 1.8, num_classes)
    of_field = rng.normal(0, 0.7, (field_of_tile.max() + 1, num_classes))
    noise = rng.normal(0, 1, labels.shape)
    return (1 / (1 + np.exp(-(of_class * (4 * labels - 2.4) + of_field[field_of_tile] + noise)))).astype(np.float32)


def simulated(
    root: Path,
    num_classes: int = 9,
    num_tiles: int = 400,
    num_stored: int = 24,
    *,
    num_fields: int = 40,
    has_production: bool = True,
    has_weaknesses: bool = True,
    names: tuple[str, ...] = (),
) -> Findings:
    """Returns findings on tiles of which the first `num_stored` lie in shards below `root`."""
    rng = np.random.default_rng(0)
    classes = names or class_names(num_classes)
    field_of_tile = np.arange(num_tiles) * num_fields // num_tiles
    labels = rng.random((num_tiles, num_classes)) < np.linspace(0.02, 0.3, num_classes)
    labels[:, 1] &= num_classes == 0  # a class without test tiles
    production = _probabilities(rng, labels, field_of_tile, 1.0)
    uncalibrated = _probabilities(rng, labels, field_of_tile, 1.15)
    units_of_tiles, logits = field_of_tile.astype(np.int32), np.log(uncalibrated / (1 - uncalibrated))
    units = tuple(f"FIELD{number:03}" for number in range(num_fields))
    positions, nothing = np.arange(num_tiles) % num_stored, np.zeros((num_tiles, 0), np.float32)
    tiles = SplitColumns(None, None, labels, positions, units, units_of_tiles, False, {}, nothing, {})
    calibration = fit_calibration(tiles, logits, "multi_label")
    probabilities = apply_calibration(logits, calibration, "multi_label")
    stored = [fake_record(number, num_classes=num_classes) for number in range(num_stored)]
    split = write_split(root, stored, 1)
    summary = msgspec.structs.replace(split, num_tiles=num_tiles, num_fields=num_fields)
    manifest = manifest_of({"val": split, "test": summary}, 48, classes=classes)
    thresholds = (0.5,) * num_classes
    predicted = probabilities >= 0.5
    answers = {CANDIDATE: (predicted, probabilities), PRODUCTION: (production >= 0.5, production)}
    if not has_production:
        del answers[PRODUCTION]
    sums = sum_tiles(
        classes,
        np.array(units)[field_of_tile],
        labels,
        {name: Answers(guess, of, class_edges(labels, of)) for name, (guess, of) in answers.items()},
    )
    scored = with_intervals(
        sums, {name: score(labels, of, guess, thresholds, classes) for name, (guess, of) in answers.items()}
    )
    bounds = choose_bounds(tiles, probabilities, 0.1, thresholds, "multi_label")
    evaluation = Evaluation(
        training_id="0123456789abcdef",
        manifest_sha256=manifest.sha256,
        num_test_tiles=num_tiles,
        num_test_fields=num_fields,
        thresholds=thresholds,
        candidate=scored[CANDIDATE],
        predictions_path="evaluations/e/predictions.npz",
        production_version="3f2a1b" if has_production else None,
        production=scored.get(PRODUCTION),
        reliability=reliability(classes, labels, uncalibrated, probabilities),
        not_sure=measured(bounds, classes, tiles, predicted, probabilities),
    )
    if has_weaknesses:
        evaluation = msgspec.structs.replace(evaluation, **_weaknesses(classes))
    (root / "training/t/export").mkdir(parents=True, exist_ok=True)
    (root / "training/t/export/saved_model.pb").write_bytes(b"")
    (root / "training/t/export/variables").mkdir(exist_ok=True)
    return Findings(
        manifest,
        receipt_of(root, manifest, "t"),
        evaluation,
        sums,
        confusion_matrix(labels, predicted, classes, "multi_label"),
        micro_roc(labels, probabilities),
        AnsweredTiles(labels, probabilities, predicted, positions, units_of_tiles, uncalibrated),
    )


def _weaknesses(classes: tuple[str, ...]) -> dict:
    parts = {
        "year": ("2017", "2018", "2019"),
        "valid share": ("below 0.52", "0.52 – 0.97", "1.00"),
        "classes a tile": ("none", "1", "2", "3 or more"),
        "brightness": ("0.12 – 0.25", "0.25 – 0.31", "0.31 – 0.62"),
        "NDVI": ("-0.21 – 0.02", "0.02 – 0.18", "0.18 – 0.55"),
    }
    scores = [
        SliceScore(
            dimension=dimension,
            name=name,
            num_tiles=100 + 10 * place,
            num_fields=12,
            macro_f1=None if name == "none" else 0.8 - 0.06 * place,
            interval=(0.6 - 0.06 * place, 0.9 - 0.05 * place),
            difference=(-0.06 * place, -0.06 * place - 0.05, 0.06 - 0.06 * place),
            p_value=0.01,
            num_classes=8,
        )
        for dimension, names in parts.items()
        for place, name in enumerate(names)
    ]
    fields = [
        FieldScore(field=f"FIELD{n:03}", num_tiles=10, errors=9 - n, expected=4.2, excess=0.3 - 0.1 * n, macro_f1=0.5)
        for n in range(3)
    ]
    changes = ("nothing but other encoding", "NIR missing", "darkened", "shifted by a pixel", "JPEG quality 30")
    rows = [
        RobustnessRow(
            change=name,
            macro_f1=0.8 - 0.05 * place,
            difference=(-0.05 * place, -0.05 * place - 0.04, 0.02 - 0.03 * place),
            changed_decisions=0.01 * place,
            changed_tiles=0.07 * place,
        )
        for place, name in enumerate(changes)
    ]
    doubts = [
        Doubt(
            tile_id=f"FIELD{number}_1-2-3-4",
            field_id=f"FIELD{number}",
            split=("val", "test")[number % 2],
            class_name=name,
            has_class=number % 2 == 0,
            probability=0.97,
            doubt=0.97 - number / 100,
            position=number,
            shard="shards/a.tfrecord",
            record=number,
        )
        for name in classes
        for number in range(4)
    ]
    return {
        "slices": Slices(
            scores=tuple(scores),
            num_compared=len(scores) - 1,
            worst=2,
            is_worse=True,
            notes=("Fields with fewer than two tiles are left out.",),
            fields=FieldSpread(
                num_fields=40,
                errors_per_tile=0.42,
                spread=0.11,
                times_chance=2.3,
                best=tuple(reversed(fields)),
                worst=tuple(fields),
            ),
        ),
        "robustness": Robustness(num_tiles=400, num_fields=40, macro_f1=0.81, control=1e-6, rows=tuple(rows)),
        "doubts": LabelDoubts(
            path="evaluations/e/doubts.csv",
            num_doubts=5 * len(classes),
            num_listed=5 * len(classes),
            num_tiles=800,
            of_class=dict.fromkeys(classes, (3, 2)),
            shown=tuple(doubts),
        ),
    }
