"""`python -m bench study_method`: measures on planted pairs what the study's method promises; see docs/study.md.

Seeded: whoever runs it gets the same tables.
"""

import argparse
import collections
import dataclasses
import functools
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.measured_page import markdown_table, share, write_between
from bench.turn_noise import BusyMachine
from components.contracts.study import CONFIRMED, REFUTED, UNDECIDED, Finding, RoundTable
from components.measuring.rounds import take_rounds
from components.study.claims.claims_file import FAMILY_ALPHA, read_claims
from components.study.verdicts.judging import judge_claim

SEED = 20_200_615
NUM_PAIRS = 200
SLOWDOWN = 1.15
_COMMAND = "python -m bench study_method"
_LUCK = (0.0, 0.01, 0.02, 0.05)
_ROUNDS = (6, 10, 15, 31, 61, 121)
_CLAIMS = read_claims()
_CLAIM = _CLAIMS.by_id["tfrecord_faster_cpu"]  # a ratio of times, of at least 1.05
assert _CLAIM.bound is not None
BOUND: float = _CLAIM.bound
_BELOW_BOUND = BOUND - 1e-6  # the hardest that is not confirmed

# (machine, ratio, number of rounds, seed) -> the rounds of a pair whose first arm takes `ratio` times as long.
Protocol = Callable[[BusyMachine, float, int, int], list[tuple[float, ...]]]


@dataclasses.dataclass(frozen=True)
class Tally:
    """The verdicts on pairs, of which each is asked whether the first arm is slower, and whether the second is.

    Attributes:
      first, second: How often each verdict came up.
      either: Pairs of which one of the two was confirmed.
      total: Number of pairs.
    """

    first: collections.Counter[str]
    second: collections.Counter[str]
    either: int
    total: int


def by_turns(
    machine: BusyMachine, ratio: float, num_rounds: int, seed: int, luck: float = 0.0
) -> list[tuple[float, ...]]:
    """The study's own protocol.

    Args:
      luck: Standard deviation of what a process is faster or slower by for as long as it lives, on a logarithmic scale.
    """
    generator = random.Random(seed)
    turns = {}
    for name, seconds in (("a", ratio), ("b", 1.0), ("a again", ratio)):
        own = seconds * math.exp(generator.gauss(0, luck)) if luck else seconds
        turns[name] = functools.partial(machine.turn, own)
    return [tuple(each.values()) for each in take_rounds(turns, num_rounds, seed)]


def in_blocks(machine: BusyMachine, ratio: float, num_rounds: int, seed: int) -> list[tuple[float, ...]]:
    """All turns of an arm, then all of the next, in an order that is drawn: what is usually done."""
    arms = [ratio, 1.0, ratio]
    order = random.Random(seed).sample(range(3), 3)
    blocks = {place: [machine.turn(arms[place]) for _ in range(num_rounds)] for place in order}
    return list(zip(*(blocks[place] for place in range(3)), strict=True))


def tally(
    ratio: float, num_rounds: int, alpha: float, protocol: Protocol = by_turns, num_pairs: int = NUM_PAIRS
) -> Tally:
    """Returns the verdicts on pairs of which the first arm takes `ratio` times as long as the second."""
    first: collections.Counter[str] = collections.Counter()
    second: collections.Counter[str] = collections.Counter()
    either = 0
    for number in range(num_pairs):
        machine = BusyMachine((SEED, number, num_rounds))
        table = RoundTable(
            name="planted",
            factor="format",
            unit="s",
            num_planned=num_rounds,
            seed=number,
            arms=("a", "b"),
            has_again=True,
            rounds=tuple(protocol(machine, ratio, num_rounds, number)),
        )
        words = [
            judge_claim(_CLAIM, alpha, Finding(claim=_CLAIM.id, table="planted", arms=arms), {"planted": table}).verdict
            for arms in (("a", "b"), ("b", "a"))
        ]
        first[words[0]] += 1
        second[words[1]] += 1
        either += CONFIRMED in words
    return Tally(first, second, either, num_pairs)


def tables(num_pairs: int = NUM_PAIRS) -> Iterator[str]:
    """Yields the tables as Markdown."""
    for alpha in (_CLAIMS.alpha, FAMILY_ALPHA):
        rows = [row_of(f"{number}", alpha, number, by_turns, num_pairs) for number in _ROUNDS]
        scope = (
            f"{100 * _CLAIMS.alpha:g} % a claim, so 5 % for the page"
            if alpha < FAMILY_ALPHA
            else "a claim alone at 5 %"
        )
        yield markdown_table(f"Pairs that take turns, {scope}", ("rounds", *_HEADER), rows)
    rows = [
        row_of(name, FAMILY_ALPHA, 31, protocol, num_pairs)
        for name, protocol in (("by turns", by_turns), ("in blocks", in_blocks))
    ]
    title = "The same 31 turns of each arm, in another order, a claim alone at 5 %"
    yield markdown_table(title, ("order", *_HEADER), rows)
    rows = [
        row_of(f"{100 * luck:.0f} %", FAMILY_ALPHA, 31, functools.partial(by_turns, luck=luck), num_pairs)
        for luck in _LUCK
    ]
    title = "Processes that are faster or slower by luck, 31 rounds, a claim alone at 5 %"
    yield markdown_table(title, ("by (standard deviation)", *_HEADER), rows)


_HEADER = (
    "equal: false",
    "equal: undecided",
    f"×{BOUND:g}, just not: false",
    f"×{SLOWDOWN:g}: found",
    f"×{SLOWDOWN:g}: undecided",
    f"×{SLOWDOWN:g}: false",
)


def row_of(name: str, alpha: float, num_rounds: int, protocol: Protocol, num_pairs: int) -> tuple[str, ...]:
    """Returns a row of the tables: what became of equal pairs, of those just below the bound, and of slowdowns."""
    equal, below, slower = (
        tally(ratio, num_rounds, alpha, protocol, num_pairs) for ratio in (1.0, _BELOW_BOUND, SLOWDOWN)
    )
    counts = (
        equal.either,
        equal.first[UNDECIDED],
        below.either,
        slower.first[CONFIRMED],
        slower.first[UNDECIDED],
        slower.first[REFUTED] + slower.second[CONFIRMED],
    )
    return name, *(share(count, num_pairs) for count in counts)


def main(arguments: Sequence[str]) -> int:
    """Prints the tables, or writes them into a page."""
    parser = argparse.ArgumentParser(prog=_COMMAND, description=__doc__)
    parser.add_argument("--pairs", type=int, default=NUM_PAIRS, help="planted pairs of each kind")
    parser.add_argument("--write", metavar="PAGE", help="put the tables into this page, e.g. docs/study.md")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    parts = [f"Seed {SEED}; {options.pairs:,} pairs of each kind."]
    print(parts[0], flush=True)
    for table in tables(options.pairs):
        print(f"\n{table}", flush=True)
        parts.append(table)
    if options.write and not write_between(Path(options.write), _COMMAND, "\n\n".join(parts)):
        parser.error(f"{options.write} has no place for the tables: <!-- measured: {_COMMAND} --> … <!-- end -->")
    print(f"\n{time.monotonic() - started:.0f} s")
    return 0
