"""The types of what a document names: paths, names and digests, checked when the document is read.

A document may have been changed by whoever can write where it lies, and its checksum with it. What becomes a part of a
path is refused when the document is read, before anything is joined, read or written.
"""

from typing import Annotated, TypeAlias

import msgspec

from components.safe_path import SAFE_NAME_PATTERN, SAFE_PATH_PATTERN

_SHA256_PATTERN = r"\A[0-9a-f]{64}\Z"
# A day that there is, of the years that a calculation with it cannot leave.
_YEAR, _LEAP_YEAR = "[12][0-9]{3}", "(?:1[26]|2[048])00|[12][0-9](?:0[48]|[2468][048]|[13579][26])"
_DAY_PATTERN = (
    f"{_YEAR}-(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|{_YEAR}-(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|"
    f"{_YEAR}-02-(?:0[1-9]|1[0-9]|2[0-8])|(?:{_LEAP_YEAR})-02-29"
)
_TIME_PATTERN = rf"\A(?:{_DAY_PATTERN})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z\Z"


def _or_empty(pattern: str) -> str:
    return rf"\A\Z|{pattern}"


RelativePath: TypeAlias = Annotated[str, msgspec.Meta(pattern=SAFE_PATH_PATTERN, max_length=1024)]
RelativePathOrEmpty: TypeAlias = Annotated[str, msgspec.Meta(pattern=_or_empty(SAFE_PATH_PATTERN), max_length=1024)]
PathPart: TypeAlias = Annotated[str, msgspec.Meta(pattern=SAFE_NAME_PATTERN)]
PathPartOrEmpty: TypeAlias = Annotated[str, msgspec.Meta(pattern=_or_empty(SAFE_NAME_PATTERN))]
Sha256: TypeAlias = Annotated[str, msgspec.Meta(pattern=_SHA256_PATTERN)]
Sha256OrEmpty: TypeAlias = Annotated[str, msgspec.Meta(pattern=_or_empty(_SHA256_PATTERN))]
# In UTC, to the second: as texts, such times have their order.
UtcTime: TypeAlias = Annotated[str, msgspec.Meta(pattern=_TIME_PATTERN)]

_MEANINGS = {
    SAFE_PATH_PATTERN: "a path below its root",
    SAFE_NAME_PATTERN: "the name of one file or folder",
    _SHA256_PATTERN: "a sha256 in hexadecimal",
    _TIME_PATTERN: "a time in UTC as in 2026-01-31T12:00:00Z",
}


def decoding_fault(error: Exception) -> str:
    """Returns what msgspec found wrong, in one line, with the meaning of a pattern instead of the pattern."""
    text = str(error)
    for pattern, meaning in _MEANINGS.items():
        text = text.replace(f"`str` matching regex {_or_empty(pattern)!r}", f"{meaning}, or nothing")
        text = text.replace(f"`str` matching regex {pattern!r}", meaning)
    return text
