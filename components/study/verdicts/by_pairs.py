"""The verdict of paired numbers: the median of their ratios or differences, with an exact interval, beside A/A."""

import statistics
from collections.abc import Sequence

from components.contracts.study import CONFIRMED, REFUTED, UNDECIDED, ClaimVerdict, RoundTable, VerdictWord, Words
from components.errors import DataError
from components.measuring.median_interval import fewest_values, median_interval
from components.study.claims.claim import Claim
from components.study.verdicts.numbers import spanish_number

Interval = tuple[float, float]


def judge_pairs(claim: Claim, alpha: float, table: RoundTable, arms: tuple[str, str]) -> ClaimVerdict:
    """Returns the verdict on a claim about a ratio or a difference.

    Raises:
      DataError: if a table of times has no A/A, or a ratio has no meaning because a number is not above 0.
    """
    rule = claim.how_judged
    if rule.is_timed and not table.has_again:
        raise DataError(
            f"table {table.name} needs a second turn of its first arm (A/A), which claim {claim.id} asks for"
        )
    effects = _effects(claim, table, table.pairs(*arms))
    again = _effects(claim, table, table.again_pairs()) if rule.is_timed else []
    if not effects:
        reason = _words("no round was measured", "no se midió ninguna ronda")
        return ClaimVerdict(claim=claim.id, verdict=UNDECIDED, reason=reason)
    interval = median_interval(effects, alpha)
    again_interval = median_interval(again, alpha) if again else None
    word, reason = _decide(claim, alpha, table, statistics.median(effects), interval, again_interval)
    return ClaimVerdict(
        claim=claim.id,
        verdict=word,
        reason=reason,
        estimate=statistics.median(effects),
        interval=interval,
        again=statistics.median(again) if again else None,
        again_interval=again_interval,
        num_pairs=len(effects),
    )


def _effects(claim: Claim, table: RoundTable, pairs: Sequence[tuple[float, float]]) -> list[float]:
    if claim.how_judged.measure == "difference":
        return [first - second for first, second in pairs]
    if odd := [pair for pair in pairs if min(pair) <= 0]:
        raise DataError(f"table {table.name} needs numbers above 0 for the ratio of claim {claim.id}, got {odd[0]}")
    return [first / second for first, second in pairs]


def _decide(
    claim: Claim,
    alpha: float,
    table: RoundTable,
    estimate: float,
    interval: Interval | None,
    again: Interval | None,
) -> tuple[VerdictWord, Words]:
    assert claim.bound is not None
    if len(table.rounds) != table.num_planned:
        # Whoever may stop when the numbers please is right more often than 95 %.
        done, planned = len(table.rounds), table.num_planned
        return UNDECIDED, _words(
            f"{done} rounds were measured, and {planned} were planned",
            f"se midieron {done} rondas y estaban previstas {planned}",
        )
    if interval is None:
        fewest = fewest_values(alpha)
        share = f"{100 * (1 - alpha):.4g}"
        return UNDECIDED, _words(
            f"an interval of {share} % needs at least {fewest} rounds, got {len(table.rounds)}",
            f"un intervalo del {share.replace('.', ',')} % necesita al menos {fewest} rondas y hay {len(table.rounds)}",
        )
    if again is not None and not again[0] <= 1 <= again[1]:
        return UNDECIDED, _words(
            f"an arm differs from itself: A/A is {_range(again)}",
            f"un brazo difiere de sí mismo: A/A va {_spanish_range(again)}",
        )
    at_least, bound = claim.how_judged.at_least, claim.bound
    low, high = interval
    above, below = (low >= bound, high < bound) if at_least else (low > bound, high <= bound)
    shown, visto = (f"the interval {_range(interval)}", f"el intervalo {_spanish_range(interval)}")
    if not above and not below:
        return UNDECIDED, _words(
            f"{shown} holds the bound {bound:g}", f"{visto} contiene el umbral {spanish_number(bound)}"
        )
    # Beyond the bound, seen from no effect: such a verdict says that there is one.
    says_effect = claim.how_judged.is_timed and (above if bound >= 1 else below)
    # Either way: against the second process of the first arm, an effect of 1.3 is none if A/A goes down to 1 / 1.3.
    if says_effect and again is not None and any(again[0] <= each <= again[1] for each in (estimate, 1 / estimate)):
        return UNDECIDED, _words(
            f"an arm differs from itself as much: A/A is {_range(again)}",
            f"un brazo difiere otro tanto de sí mismo: A/A va {_spanish_range(again)}",
        )
    side, lado = ("above", "por encima") if above else ("below", "por debajo")
    return CONFIRMED if above is at_least else REFUTED, _words(
        f"{shown} lies {side} the bound {bound:g}", f"{visto} queda {lado} del umbral {spanish_number(bound)}"
    )


def _words(english: str, spanish: str) -> Words:
    return Words(english=english, spanish=spanish)


def _range(interval: Interval) -> str:
    return " to ".join(f"{end:.3f}" for end in interval)


def _spanish_range(interval: Interval) -> str:
    return "de " + " a ".join(spanish_number(end, ".3f") for end in interval)
