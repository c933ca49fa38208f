"""The protocol of a comparison: two sides take turns, and the result is the median of the rounds' ratios.

Another process that takes a processor for a while slows both sides of a round alike, and one round's ratio does not
affect the next. Both sides are warm before the first round.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

PASS, BELOW, SKIPPED, REPORTED = "pass", "below target", "skipped", "reported"

# Runs one turn and returns its rate; higher is better.
Turn = Callable[[], float]


@dataclasses.dataclass(frozen=True)
class Side:
    """One side of a comparison: a description in words, and how to run a turn."""

    what: str
    turn: Turn


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the table; written to bench.json under `name`.

    Attributes:
      ours, other: Median rates over the rounds, in `unit`.
      ratio: Median of ours / other over the rounds.
      rounds: [ours, other] of each round.
      target: The smallest ratio that passes; None if the row is only reported.
      ours_is, other_is: What each side did.
      note: Further information for the reader, or why the row was skipped.
    """

    name: str
    verdict: str
    ours: float | None = None
    other: float | None = None
    ratio: float | None = None
    rounds: list[list[float]] = dataclasses.field(default_factory=list)
    unit: str = "tiles/s"
    target: float | None = None
    ours_is: str = ""
    other_is: str = ""
    note: str = ""
    details: dict[str, Any] = dataclasses.field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Returns the entry of bench.json under the row's name."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key != "name"}


def compare(name: str, ours: Side, other: Side, num_rounds: int, target: float | None, note: str = "") -> Row:
    """Runs one round that does not count, then `num_rounds` rounds, each a turn of ours and a turn of the other."""
    ours.turn()
    other.turn()
    rounds = [[ours.turn(), other.turn()] for _ in range(num_rounds)]
    return summarise(name, rounds, target, ours_is=ours.what, other_is=other.what, note=note)


def summarise(name: str, rounds: list[list[float]], target: float | None, **more: Any) -> Row:
    """Returns the row of these rounds, each [ours, other]."""
    ratio = statistics.median(ours / other for ours, other in rounds)
    return Row(
        name=name,
        verdict=REPORTED if target is None else PASS if ratio >= target else BELOW,
        ours=statistics.median(ours for ours, _ in rounds),
        other=statistics.median(other for _, other in rounds),
        ratio=ratio,
        rounds=rounds,
        target=target,
        **more,
    )


def skipped(name: str, reason: str, target: float | None = None) -> Row:
    """Returns the row of a comparison that cannot run here."""
    return Row(name=name, verdict=SKIPPED, target=target, note=reason)


def stream_turn(batches: Iterable[Any], batch_size: int, num_batches: int, num_warm: int = 6) -> Turn:
    """Returns a turn that takes batches from an endless stream.

    The first `num_warm` batches of a turn are not timed, because they were in a buffer during the other side's turn.
    """
    started: list[Iterator[Any]] = []

    def turn() -> float:
        if not started:
            started.append(iter(batches))  # not earlier, because most start to read ahead
        for _ in range(num_warm):
            next(started[0])
        start = time.perf_counter()
        for _ in range(num_batches):
            next(started[0])
        return num_batches * batch_size / (time.perf_counter() - start)

    return turn


def work_turn(work: Callable[[], Any], num_items: float) -> Turn:
    """Returns a turn that does `work` on `num_items` items."""

    def turn() -> float:
        start = time.perf_counter()
        work()
        return num_items / (time.perf_counter() - start)

    return turn


def table(rows: list[Row], header: bool = True) -> str:
    """Returns the rows as text, one line each."""
    lines = [f"{'':32} {'ours':>10} {'other':>10} {'unit':9} {'ratio':>7} {'target':>7}  verdict"] if header else []
    for row in rows:
        ours, other = (f"{value:,.1f}" if value is not None else "-" for value in (row.ours, row.other))
        ratio = f"{row.ratio:.2f}" if row.ratio is not None else "-"
        target = f"{row.target:g}" if row.target is not None else "-"
        verdict = f"{row.verdict}: {row.note}" if row.note else row.verdict
        lines.append(f"{row.name:32} {ours:>10} {other:>10} {row.unit:9} {ratio:>7} {target:>7}  {verdict}")
    return "\n".join(lines)


def legend(rows: list[Row]) -> str:
    """Returns what the two sides of each row did."""
    return "\n".join(
        f"{row.name}\n  ours:  {row.ours_is}\n  other: {row.other_is}" for row in rows if row.ours_is or row.other_is
    )
