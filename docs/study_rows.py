"""What the site says of the study's committed result: a row for each claim, and the machine."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from components.contracts.study import StudyResult
from components.study.claims.claims_file import read_claims

_RESULT = Path(__file__).parent / "study" / "laptop.json"


@dataclasses.dataclass(frozen=True)
class VerdictRow:
    """A claim with what came of it, as plain text; empty where there is no number.

    Attributes:
      bound: The smallest difference that matters.
      found: The effect with its interval.
      again: A/A.
    """

    claim: str
    effect: str
    verdict: str
    bound: str
    found: str
    again: str
    why: str


def verdict_rows() -> Iterator[VerdictRow]:
    """Yields a row for each claim, in their order."""
    claims = read_claims().by_id
    for verdict in StudyResult.read(_RESULT).verdicts:
        claim = claims[verdict.claim]
        found = "" if verdict.estimate is None else f"{verdict.estimate:.3g}"
        if verdict.interval is not None:
            found += f" ({verdict.interval[0]:.3g} to {verdict.interval[1]:.3g})"
        yield VerdictRow(
            claim=claim.claim.english,
            effect=claim.effect.english,
            verdict=verdict.verdict,
            bound="" if claim.bound is None else f"{'≥' if claim.how_judged.at_least else '≤'} {claim.bound:g}",
            found=found,
            again="" if verdict.again is None else f"{verdict.again:.3g}",
            why=verdict.reason.english,
        )


def machine_line() -> str:
    """Returns the machine that measured."""
    machine = StudyResult.read(_RESULT).machine
    accelerators = ", ".join(machine.accelerators) or "no accelerator"
    return (
        f"{machine.cpu}, {machine.num_cores} cores, {machine.memory_bytes / 2**30:.0f} GiB, {machine.system}, "
        f"Python {machine.python}, TensorFlow {machine.tensorflow}, {accelerators}."
    )
