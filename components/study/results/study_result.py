"""Makes a study's document, and reads it back for the claims that it was measured for."""

from collections.abc import Sequence
from pathlib import Path

from components import storage
from components.contracts.study import ClaimVerdict, Curve, Finding, Machine, Matrix, RoundTable, StudyResult
from components.errors import DataError
from components.study.claims.claims_file import Claims
from components.study.verdicts.judging import judge_claim


def make_result(
    claims: Claims,
    preset: str,
    machine: Machine,
    tables: Sequence[RoundTable],
    findings: Sequence[Finding],
    matrices: Sequence[Matrix] = (),
    curves: Sequence[Curve] = (),
) -> StudyResult:
    """Returns the document, with a verdict on each claim.

    Args:
      findings: One for each claim, in any order.
      matrices, curves: What the page shows besides.

    Raises:
      DataError: if a claim has no finding, or one that its rule cannot judge.
    """
    findings = _in_order(claims, findings)
    return StudyResult(
        claims_sha256=claims.sha256,
        preset=preset,
        machine=machine,
        tables=tuple(tables),
        findings=tuple(findings),
        verdicts=_verdicts(claims, tables, findings),
        matrices=tuple(matrices),
        curves=tuple(curves),
    )


def write_result(result: StudyResult, uri: str) -> None:
    """Writes the document, whole or not at all."""
    storage.write_bytes(uri, result.to_json())


def read_study_result(path: Path, claims: Claims) -> StudyResult:
    """Returns the document in a local file.

    Raises:
      DataError: if it is damaged, was measured for other claims, or its verdicts do not follow from its numbers.
    """
    result = StudyResult.read(path)
    if result.claims_sha256 != claims.sha256:
        raise DataError(
            f"{path} was measured for other claims: theirs have the digest {result.claims_sha256[:12]}, these "
            f"{claims.sha256[:12]}; a claim is not changed after its result: measure again, or restore claims.yaml"
        )
    expected = _verdicts(claims, result.tables, _in_order(claims, result.findings))
    for said, follows in zip(result.verdicts, expected, strict=False):
        if said != follows:
            raise DataError(
                f"{path} says {said.verdict!r} of {said.claim}, but {follows.verdict!r} of {follows.claim} follows "
                f"from its numbers; {result.way_out}"
            )
    if len(result.verdicts) != len(expected):
        raise DataError(
            f"{path} must have a verdict on each of {len(expected)} claims, got {len(result.verdicts)}; "
            f"{result.way_out}"
        )
    return result


def _verdicts(claims: Claims, tables: Sequence[RoundTable], findings: Sequence[Finding]) -> tuple[ClaimVerdict, ...]:
    by_name = {table.name: table for table in tables}
    if len(by_name) < len(tables):
        raise DataError(f"tables must have names of their own, got {', '.join(table.name for table in tables)}")
    return tuple(
        judge_claim(claim, claims.alpha, finding, by_name)
        for claim, finding in zip(claims.claims, findings, strict=True)
    )


def _in_order(claims: Claims, findings: Sequence[Finding]) -> list[Finding]:
    by_claim = {finding.claim: finding for finding in findings}
    if len(by_claim) < len(findings):
        raise DataError("a claim must have one finding, got two or more of one claim")
    if unknown := sorted(by_claim.keys() - claims.by_id.keys()):
        raise DataError(f"there is no claim {unknown[0]}; expected one of {', '.join(claims.by_id)}")
    if missing := [name for name in claims.by_id if name not in by_claim]:
        raise DataError(f"the claim {missing[0]} has no finding; say why it was not run here, if so")
    return [by_claim[name] for name in claims.by_id]
