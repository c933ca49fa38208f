"""What a study measured, and what follows from it: raw rounds, witnesses, verdicts."""

from components.contracts.study.figures import Curve, Matrix
from components.contracts.study.judged import CONFIRMED, NOT_RUN, REFUTED, UNDECIDED, ClaimVerdict, Finding, VerdictWord
from components.contracts.study.measured import Machine, RoundTable, Witness
from components.contracts.study.numbers import Count, NotComparable
from components.contracts.study.result import StudyPart, StudyParts, StudyResult
from components.contracts.study.texts import STUDY_NAME_PATTERN, ArmName, StudyName, Words

__all__ = [
    "CONFIRMED",
    "NOT_RUN",
    "REFUTED",
    "STUDY_NAME_PATTERN",
    "UNDECIDED",
    "ArmName",
    "ClaimVerdict",
    "Count",
    "Curve",
    "Finding",
    "Machine",
    "Matrix",
    "NotComparable",
    "RoundTable",
    "StudyName",
    "StudyPart",
    "StudyParts",
    "StudyResult",
    "VerdictWord",
    "Witness",
    "Words",
]
