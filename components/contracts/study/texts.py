"""Names of a study's parts, and its text in two languages."""

from typing import Annotated, TypeAlias

import msgspec

from components.printable import printable

STUDY_NAME_PATTERN = r"\A[a-z][a-z0-9_]*\Z"
StudyName: TypeAlias = Annotated[str, msgspec.Meta(pattern=STUDY_NAME_PATTERN, max_length=60)]
ArmName: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9_ .]*\Z", max_length=60)]


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same text in both languages of the study."""

    english: str
    spanish: str

    def __post_init__(self) -> None:
        for language, text in (("english", self.english), ("spanish", self.spanish)):
            if not text.strip():
                raise ValueError(f"{language} must not be empty")
            if printable(text) != text:
                raise ValueError(f"{language} must be printable and on one line, got '{printable(text)}'")
