"""A row of the bench: two sides take turns, and the result is the median of the rounds' ratios.

components/measuring/ has the order of the turns. Turns return rates here: higher is better.
"""

import dataclasses
import statistics
from typing import Any

from components.measuring.median_interval import median_of_ratios
from components.measuring.rounds import take_rounds
from components.measuring.turns import Turn

PASS, BELOW, SKIPPED, REPORTED = "pass", "below target", "skipped", "reported"
_SEED = 20_200_615  # of the order of turns


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
    taken = take_rounds({"ours": ours.turn, "other": other.turn}, num_rounds, _SEED)
    rounds = [[each["ours"], each["other"]] for each in taken]
    return summarise(name, rounds, target, ours_is=ours.what, other_is=other.what, note=note)


def summarise(name: str, rounds: list[list[float]], target: float | None, **more: Any) -> Row:
    """Returns the row of these rounds, each [ours, other]."""
    ratio = median_of_ratios([(ours, other) for ours, other in rounds])
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
