"""`python -m bench gate`: measures on simulated models what the gate promises, and prints the tables of docs/gate.md.

Seeded, and shared out among processes so that their number changes nothing: whoever runs it gets the same tables.
"""

import argparse
import dataclasses
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bench.measured_page import markdown_table, share, write_between
from bench.model_pairs import (
    NOTHING_FOUND,
    NUM_CLASSES,
    RARE,
    RAREST,
    RATE_IN_FIELD,
    RATES,
    make_test_set,
    other_strengths,
    quality_of_gain,
)
from components.f1_score import f1, macro_of_each
from components.gate.comparison import compare_models
from components.gate.decision import outcome_of
from components.gate.settings import GateSettings
from components.gate.wording import CLASS_LOST, NOT_BETTER, PUSH, UNDECIDABLE
from components.scoring.field_effects import macro_effects, total_macro_f1
from components.scoring.field_sums import Counts
from components.scoring.resamples import field_weights
from components.scoring.sign_flips import p_better
from components.scoring.spending import alpha_of

SEED = 20_200_615
NIGHTS = 365
_SIZES = (20, 60, 686)  # fields; 686 are the test fields of the paper release
# So many that a share of 2 % is known to 0.14 % (20 and 60 fields) and 0.45 %: of 300 pairs, 3.3 % are pushed by chance
# alone once in ten times.
_PAIRS = {20: 10_000, 60: 10_000, 686: 1_000}
_YEARS = {20: 400, 60: 200, 686: 20}
_GAIN_PAIRS = 300
_BOOTSTRAP_PAIRS = {20: 2_000, 60: 1_000, 686: 100}
_QUESTIONS = (1, 10, 100, NIGHTS)
_CLASSES = tuple(f"class{c}" for c in range(NUM_CLASSES))
_MAX_LOSS = GateSettings().max_class_loss
_COMMAND = "python -m bench gate"


@dataclasses.dataclass(frozen=True)
class Pair:
    """One candidate against one production model.

    Attributes:
      outcomes: The gate's outcome if it is the question of each number in _QUESTIONS.
      lost: The classes lost.
      error: Standard error of the difference, from the fields.
      by_bootstrap: Whether the former rule pushes it; None if it was not asked.
    """

    outcomes: tuple[str, ...]
    difference: float
    lost: tuple[str, ...]
    error: float
    by_bootstrap: bool | None


Quality = tuple[float, ...]


def _pair(task: tuple[int, int, int, Quality, bool]) -> Pair:
    kind, number, num_fields, quality, with_bootstrap = task
    generator = np.random.default_rng((SEED, kind, number, num_fields))
    tiles = make_test_set(generator, num_fields)
    candidate = tiles.counts(tiles.answers(generator, np.array(quality)))
    production = tiles.counts(tiles.answers(generator))
    found = compare_models(_CLASSES, candidate, production, _MAX_LOSS)
    score = total_macro_f1(production)
    noise = found.effects.by_field - found.effects.difference * found.effects.weights
    return Pair(
        tuple(outcome_of(found, alpha_of(question), score) for question in _QUESTIONS),
        found.effects.difference,
        tuple(each.name for each in found.lost),
        float(np.sqrt((noise**2).sum())),
        _bootstrap_is_above_0(candidate, production) if with_bootstrap else None,
    )


def _bootstrap_is_above_0(candidate: Counts, production: Counts) -> bool:
    """Tells whether the percentile interval of the difference lies above 0: the rule that the gate had before."""
    (weights,) = field_weights(len(candidate.true), 1_000)
    scores = []
    for counts in (candidate, production):
        hits, predicted, true = (weights @ of for of in (counts.hits, counts.predicted, counts.true))
        scores.append(macro_of_each(f1(hits, predicted, true), true))
    return bool(np.quantile(scores[0] - scores[1], 0.025) > 0)


def _year(task: tuple[int, int]) -> tuple[bool, bool]:
    """Returns whether one of a year's models, all as good as production, is pushed; and whether so without a ledger."""
    number, num_fields = task
    generator = np.random.default_rng((SEED, 99, number, num_fields))
    tiles = make_test_set(generator, num_fields)
    production = tiles.counts(tiles.answers(generator))
    score, pushed, pushed_without = total_macro_f1(production), False, False
    for night in range(1, NIGHTS + 1):
        candidate = tiles.counts(tiles.answers(generator))
        effects = macro_effects(candidate, production).by_field
        # Below one standard deviation, p is nowhere near 2.5 %; not to work it out saves most of the time.
        if effects.sum() < np.sqrt((effects**2).sum()) or (p_value := p_better(effects)) > alpha_of(1):
            continue
        found = compare_models(_CLASSES, candidate, production, _MAX_LOSS)
        pushed_without |= outcome_of(found, alpha_of(1), score) == PUSH
        pushed |= p_value <= alpha_of(night) and outcome_of(found, alpha_of(night), score) == PUSH
    return pushed, pushed_without


def tables(num_processes: int, part: float = 1.0) -> Iterator[str]:
    """Yields the tables as Markdown.

    Args:
      part: Of the pairs and years to simulate; below 1 for a quick look.
    """
    context = multiprocessing.get_context("spawn")
    with context.Pool(num_processes) as pool:

        def pairs(kind: int, num_fields: int, count: int, quality: Quality, bootstraps: int = 0) -> list[Pair]:
            tasks = [
                (kind, number, num_fields, quality, number < part * bootstraps)
                for number in range(max(2, round(part * count)))
            ]
            return pool.map(_pair, tasks, chunksize=10)

        equal = (0.0,) * NUM_CLASSES
        rows = [
            _equal_row(f"{size}{label}", pairs(kind, size, _PAIRS[size], quality, _BOOTSTRAP_PAIRS[size]))
            for kind, label, quality in ((1, "", equal), (2, ", other strengths", other_strengths(0.1)))
            for size in _SIZES
        ]
        yield markdown_table(
            "Pairs of equally good models, asked for the first time",
            ("test fields", "pairs", "pushed", "class lost", "not better", "undecidable", "former rule pushed"),
            rows,
        )
        rows = []
        for size in _SIZES:
            years = pool.map(_year, [(number, size) for number in range(max(2, round(part * _YEARS[size])))], 2)
            kept, former = (sum(of) for of in zip(*years, strict=True))
            rows.append((f"{size}", f"{len(years)}", share(kept, len(years)), share(former, len(years))))
        yield markdown_table(
            f"Years of {NIGHTS} nightly models, all as good as the one in production",
            ("test fields", "years", "years that push one", "without the ledger"),
            rows,
        )
        rows = []
        for gain in (0.02, 0.04):
            quality = (quality_of_gain(gain),) * NUM_CLASSES
            rows += [_gain_row(size, gain, pairs(3, size, _GAIN_PAIRS, quality)) for size in _SIZES]
        yield markdown_table(
            "Better models that are pushed, by how often the test set has been asked",
            ("test fields", "gain of macro F1", "standard error", *(f"question {each}" for each in _QUESTIONS)),
            rows,
        )
        rows = []
        for size, lost in ((20, RARE), (60, RARE), (686, RARE), (686, RAREST)):
            planted = [quality_of_gain(0.04)] * NUM_CLASSES
            planted[lost] = NOTHING_FOUND
            found = pairs(4, size, _GAIN_PAIRS, tuple(planted))
            counts = [
                sum(pair.outcomes[0] == PUSH for pair in found),
                sum(_CLASSES[lost] in pair.lost for pair in found),
            ]
            of_fields = f"{100 * RATES[lost] / RATE_IN_FIELD:.1f} %"
            rows.append((f"{size}", of_fields, f"{len(found)}", *(share(count, len(found)) for count in counts)))
        yield markdown_table(
            "Models that gain in eight classes what would be 0.04 in nine, and find nothing of the ninth any more",
            ("test fields", "fields that have the ninth", "pairs", "pushed", "refused by its name"),
            rows,
        )


def _equal_row(label: str, found: Sequence[Pair]) -> tuple[str, ...]:
    first = [pair.outcomes[0] for pair in found]
    counts = [sum(outcome == kind for outcome in first) for kind in (PUSH, CLASS_LOST, NOT_BETTER, UNDECIDABLE)]
    former = [pair.by_bootstrap for pair in found if pair.by_bootstrap is not None]
    return (
        label,
        f"{len(found):,}",
        *(share(count, len(found)) for count in counts),
        share(sum(former), len(former)),
    )


def _gain_row(size: int, gain: float, found: Sequence[Pair]) -> tuple[str, ...]:
    shares = [share(sum(pair.outcomes[at] == PUSH for pair in found), len(found)) for at in range(len(_QUESTIONS))]
    return f"{size}", f"{gain:+.2f}", f"{statistics.median(pair.error for pair in found):.4f}", *shares


def main(arguments: Sequence[str]) -> int:
    """Prints the tables, or writes them into a page."""
    parser = argparse.ArgumentParser(prog="python -m bench gate", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="share of the pairs and years, for a quick look")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--write", metavar="PAGE", help="put the tables into this page, e.g. docs/gate.md")
    options = parser.parse_args(arguments)
    # A process each is enough: NumPy's own threads would only compete.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    started = time.monotonic()
    parts = [f"Seed {SEED}."]
    print(parts[0], flush=True)
    for table in tables(options.processes, options.share):
        print(f"\n{table}", flush=True)
        parts.append(table)
    if options.write:
        page = Path(options.write)
        if not write_between(page, _COMMAND, "\n\n".join(parts)):
            parser.error(f"{page} has no place for the tables: <!-- measured: {_COMMAND} --> … <!-- end -->")
    print(f"\n{time.monotonic() - started:.0f} s")
    return 0
