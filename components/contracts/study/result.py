"""The documents of a study: what each experiment found, and all of it with its verdicts."""

from typing import ClassVar

from components.contracts.document import FORMAT_VERSION, Document
from components.contracts.names import Sha256
from components.contracts.study.figures import Curve, Matrix
from components.contracts.study.judged import ClaimVerdict, Finding
from components.contracts.study.measured import Machine, RoundTable
from components.contracts.study.texts import StudyName


class StudyResult(Document, frozen=True, kw_only=True):
    """All that a study measured, raw, and its verdicts.

    Attributes:
      claims_sha256: The claims that it was measured for, fixed before.
      preset: The size of the study, e.g. "laptop".
      findings: One for each claim.
      verdicts: One for each claim, which follow from the rest.
      matrices, curves: What the page shows besides; no verdict depends on them.
    """

    way_out: ClassVar[str] = "restore it, or run the study again"

    format_version: int = FORMAT_VERSION
    claims_sha256: Sha256
    preset: StudyName
    machine: Machine
    tables: tuple[RoundTable, ...]
    findings: tuple[Finding, ...]
    verdicts: tuple[ClaimVerdict, ...]
    matrices: tuple[Matrix, ...] = ()
    curves: tuple[Curve, ...] = ()


class StudyPart(Document, frozen=True, kw_only=True):
    """What one experiment found, kept until the study is whole.

    Attributes:
      code_sha256: The code that measured; see components/study/running/kept_parts.py.
      findings: One for each claim that the experiment is about.
      matrices, curves: As in StudyResult.
    """

    way_out: ClassVar[str] = "remove it, and run the experiment again"

    format_version: int = FORMAT_VERSION
    experiment: StudyName
    claims_sha256: Sha256
    code_sha256: Sha256
    preset: StudyName
    machine: Machine
    findings: tuple[Finding, ...]
    tables: tuple[RoundTable, ...] = ()
    matrices: tuple[Matrix, ...] = ()
    curves: tuple[Curve, ...] = ()


class StudyParts(Document, frozen=True, kw_only=True):
    """What the experiments of a study have found so far, in the order in which they ran."""

    way_out: ClassVar[str] = "run the study again"

    format_version: int = FORMAT_VERSION
    preset: StudyName
    parts: tuple[StudyPart, ...] = ()
