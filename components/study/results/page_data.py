"""From results to what the page shows: a pure function, without markup."""

import collections
import dataclasses
import statistics
from collections.abc import Sequence

from components.contracts.study import (
    CONFIRMED,
    NOT_RUN,
    REFUTED,
    UNDECIDED,
    ClaimVerdict,
    RoundTable,
    StudyResult,
    Words,
)
from components.measuring.median_interval import median_interval
from components.study.claims.claim import Claim
from components.study.claims.claims_file import Claims

ORDER: tuple[str, ...] = (CONFIRMED, REFUTED, UNDECIDED, NOT_RUN)

Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class ClaimRow:
    """A claim with its verdict.

    Attributes:
      place: Of the original's figures, relative to our interval: "within", "above", "below" or "partly"; empty if
        either is missing.
    """

    claim: Claim
    verdict: ClaimVerdict
    place: str


@dataclasses.dataclass(frozen=True)
class ArmRow:
    """An arm of a table of rounds, A/A, or an arm that was not run.

    Attributes:
      name: Of the arm; empty for A/A.
      median: Of its rounds; None if it was not run, as the next two.
      ratio, interval: Median of its ratios to the first arm, and the interval if there are enough rounds.
      not_run: Why it was not run here; None if it was.
    """

    name: str
    median: float | None = None
    ratio: float | None = None
    interval: Interval | None = None
    not_run: Words | None = None


@dataclasses.dataclass(frozen=True)
class StudyPage:
    """All that the page shows.

    Attributes:
      counts: How many claims got each verdict, in the order of ORDER, without those that none got.
      claims: In the order of claims.yaml.
      ratios: Those about ratios of times that were measured.
      tables: Each with its rows.
    """

    result: StudyResult
    counts: tuple[tuple[str, int], ...]
    claims: tuple[ClaimRow, ...]
    ratios: tuple[ClaimRow, ...]
    tables: tuple[tuple[RoundTable, tuple[ArmRow, ...]], ...]


def page_data(result: StudyResult, claims: Claims) -> StudyPage:
    """Returns what the page shows of results that were read for these claims."""
    rows = tuple(
        ClaimRow(claim, verdict, _place(claim, verdict))
        for claim, verdict in zip(claims.claims, result.verdicts, strict=True)
    )
    counts = collections.Counter[str](row.verdict.verdict for row in rows)
    return StudyPage(
        result=result,
        counts=tuple((word, counts[word]) for word in ORDER if counts[word]),
        claims=rows,
        ratios=tuple(row for row in rows if row.claim.how_judged.is_timed and row.verdict.estimate is not None),
        tables=tuple((table, tuple(_arm_rows(table, claims.alpha))) for table in result.tables),
    )


def in_language(words: Words, language: str) -> str:
    """Returns the text in one of the two languages."""
    return words.spanish if language == "spanish" else words.english


def _place(claim: Claim, verdict: ClaimVerdict) -> str:
    if not claim.theirs or verdict.interval is None:
        return ""
    low, high = verdict.interval
    if min(claim.theirs) > high:
        return "above"
    if max(claim.theirs) < low:
        return "below"
    return "within" if low <= min(claim.theirs) and max(claim.theirs) <= high else "partly"


def _arm_rows(table: RoundTable, alpha: float) -> Sequence[ArmRow]:
    rows = []
    for place, arm in enumerate(table.arms if table.rounds else ()):
        times = [values[place] for values in table.rounds]
        pairs = table.pairs(arm, table.arms[0]) if place else []
        rows.append(_arm_row(arm, times, pairs, alpha))
    if table.has_again and table.rounds:
        rows.append(_arm_row("", [values[-1] for values in table.rounds], table.again_pairs(), alpha))
    return [*rows, *(ArmRow(arm, not_run=reason) for arm, reason in table.not_run.items())]


def _arm_row(name: str, times: Sequence[float], pairs: Sequence[tuple[float, float]], alpha: float) -> ArmRow:
    ratios = [one / first for one, first in pairs if first]
    if not ratios:
        return ArmRow(name, statistics.median(times))
    return ArmRow(name, statistics.median(times), statistics.median(ratios), median_interval(ratios, alpha))
