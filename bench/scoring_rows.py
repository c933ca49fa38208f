"""Measures the intervals of an evaluation: how long the resamples of a whole dataset take."""

import statistics
import time
from typing import TYPE_CHECKING

import numpy as np

from bench.model_pairs import NUM_CLASSES, make_test_set
from bench.pairs import BELOW, PASS, REPORTED, Row
from components.scoring.field_sums import Answers, AnswerSums, class_edges, sum_tiles
from components.scoring.intervals import BY_COUNTS, BY_RANK, resample
from components.scoring.resamples import NUM_RESAMPLES

if TYPE_CHECKING:
    from bench.run_settings import Setup

_NUM_FIELDS = 3_432  # with 28 tiles each: the paper release
_LIMITS = {"counts": 1.0, "ranks": 5.0}  # seconds


def bootstrap_seconds(setup: "Setup", target: float | None) -> Row:
    """Times 2,000 paired resamples of two models; the ratio is that of the limit to the time, the smaller of two."""
    generator = np.random.default_rng(0)
    tiles = make_test_set(generator, _NUM_FIELDS)
    units = np.array([f"{field:04}" for field in range(_NUM_FIELDS)])[tiles.field_of_tile]
    answers = {}
    for model in ("candidate", "production"):
        scores = tiles.answers(generator)
        answers[model] = Answers(scores > 0, scores, class_edges(tiles.labels, scores))
    sums = sum_tiles([str(c) for c in range(NUM_CLASSES)], units, tiles.labels, answers)
    resample(sums, tuple(answers), num_resamples=10)
    rounds = [[_seconds(sums, BY_COUNTS), _seconds(sums, BY_RANK)] for _ in range(setup.num_rounds)]
    counts, ranks = (statistics.median(of) for of in zip(*rounds, strict=True))
    ratio = min(_LIMITS["counts"] / counts, _LIMITS["ranks"] / ranks)
    return Row(
        name="bootstrap_seconds",
        verdict=REPORTED if target is None else PASS if ratio >= target else BELOW,
        ours=counts,
        other=ranks,
        ratio=ratio,
        rounds=rounds,
        unit="s",
        target=target,
        ours_is=f"F1, precision and recall of two models in {NUM_RESAMPLES:,} paired resamples of {len(units):,} "
        f"tiles, {NUM_CLASSES} classes and {_NUM_FIELDS:,} fields; may take {_LIMITS['counts']:g} s on 2 cores",
        other_is=f"average precision and ROC-AUC of the same; may take {_LIMITS['ranks']:g} s",
        note=f"counts {counts:.2f} s, ranks {ranks:.2f} s",
        details={"limits_seconds": _LIMITS},
    )


def _seconds(sums: AnswerSums, metrics: tuple[str, ...]) -> float:
    started = time.perf_counter()
    resample(sums, ("candidate", "production"), metrics)
    return time.perf_counter() - started
