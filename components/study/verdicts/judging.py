"""The verdict on one claim.

A claim holds if its effect reaches its bound. It is confirmed if the whole interval of the effect does, refuted if none
of it does, and undecided otherwise. The interval misses the true median with probability `alpha` at most, so a false
verdict is at most as likely.
"""

from collections.abc import Mapping

from components.contracts.study import CONFIRMED, NOT_RUN, REFUTED, UNDECIDED, ClaimVerdict, Finding, RoundTable, Words
from components.errors import DataError
from components.study.claims.claim import Claim
from components.study.verdicts.by_pairs import judge_pairs
from components.study.verdicts.numbers import spanish_number


def judge_claim(claim: Claim, alpha: float, finding: Finding, tables: Mapping[str, RoundTable]) -> ClaimVerdict:
    """Returns the verdict on a claim.

    Args:
      alpha: The probability that its interval may miss, if its rule has one.
      tables: By name.

    Raises:
      DataError: if the finding is not what the claim's rule needs.
    """
    if finding.claim != claim.id:
        raise DataError(f"a finding of {finding.claim} was given for the claim {claim.id}")
    if finding.not_run is not None:
        return _not_run(claim, finding.not_run)
    if claim.how_judged.measure == "checks":
        return _by_checks(claim, finding.checks)
    if claim.how_judged.measure == "values":
        return _by_values(claim, finding.values)
    if finding.table not in tables or finding.arms is None:
        raise DataError(f"claim {claim.id} needs two arms of a table, got {finding.arms} of {finding.table!r}")
    table = tables[finding.table]
    for arm in finding.arms:
        if arm in table.not_run:
            return _not_run(claim, table.not_run[arm])
        if arm not in table.arms:
            raise DataError(
                f"claim {claim.id} needs the arm {arm!r} of table {table.name}, got {', '.join(table.arms)}"
            )
    return judge_pairs(claim, alpha, table, finding.arms)


def _not_run(claim: Claim, reason: Words) -> ClaimVerdict:
    words = Words(english=f"not run here: {reason.english}", spanish=f"no se ejecutó aquí: {reason.spanish}")
    return ClaimVerdict(claim=claim.id, verdict=NOT_RUN, reason=words)


def _by_checks(claim: Claim, checks: Mapping[str, bool]) -> ClaimVerdict:
    if missing := [name for name in (*claim.claimed, *claim.control) if name not in checks]:
        raise DataError(f"claim {claim.id} needs the check {missing[0]}, got {', '.join(checks) or 'none'}")
    if failed := [name for name in claim.control if not checks[name]]:
        names = ", ".join(failed)
        words = Words(
            english=f"the controls prove nothing, because this did not happen: {names}",
            spanish=f"los controles no prueban nada, porque esto no ocurrió: {names}",
        )
        return ClaimVerdict(claim=claim.id, verdict=UNDECIDED, reason=words)
    if failed := [name for name in claim.claimed if not checks[name]]:
        names = ", ".join(failed)
        words = Words(english=f"did not happen: {names}", spanish=f"no ocurrió: {names}")
        return ClaimVerdict(claim=claim.id, verdict=REFUTED, reason=words)
    words = Words(
        english=f"all {len(claim.claimed)} things claimed happened, and all {len(claim.control)} controls",
        spanish=f"ocurrieron las {len(claim.claimed)} cosas afirmadas y los {len(claim.control)} controles",
    )
    return ClaimVerdict(claim=claim.id, verdict=CONFIRMED, reason=words)


def _by_values(claim: Claim, values: Mapping[str, float]) -> ClaimVerdict:
    if not values:
        raise DataError(f"claim {claim.id} needs at least one value, got none")
    assert claim.bound is not None
    at_least, bound = claim.how_judged.at_least, claim.bound
    short = [name for name, value in values.items() if (value < bound if at_least else value > bound)]
    # What is furthest from the claim decides.
    worst = min(values.values()) if at_least else max(values.values())
    which, cual = ("at least", "al menos") if at_least else ("at most", "como máximo")
    if short:
        names = ", ".join(short)
        words = Words(
            english=f"not {which} {bound:g} for {len(short)} of {len(values)}: {names}",
            spanish=f"no es {cual} {spanish_number(bound)} en {len(short)} de {len(values)}: {names}",
        )
    else:
        words = Words(
            english=f"{which} {bound:g} for all {len(values)}",
            spanish=f"{cual} {spanish_number(bound)} en los {len(values)} casos",
        )
    return ClaimVerdict(claim=claim.id, verdict=REFUTED if short else CONFIRMED, reason=words, estimate=worst)
