"""Tells a path that stays below its root from one that does not: the one check of every name that others choose.

Names come from listings of buckets and folders, and from documents, which may have been changed by whoever can write
there. A safe path is relative, in normal form and printable, so joining it to a root can only lead below that root.
"""

import re

from components.errors import DataError

_MOST_BYTES = 1024  # of a name in a bucket
_MOST_PART_BYTES = 255  # of a name on a disk
_MOST_SHOWN = 200  # characters of a name in a message
# All but the slash, control characters, marks that reorder or break a line, halves of a character (not UTF-8), and the
# backslash, which separates folders on a Windows share. The ranges that most names are made of come first.
_PLAIN = r"]-~0-\[ -."
_CHARACTERS = rf"[{_PLAIN}\xa0-\u200d\u2010-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\U0010ffff]"


def _part_of(characters: str) -> str:
    return rf"(?!\.\.?(?:/|\Z)){characters}{{1,{_MOST_PART_BYTES}}}"


def _path_of(characters: str) -> str:
    # Without possessive quantifiers, although they would fit: Python before 3.11.3 took "a/.." with them. No character
    # of a part is a slash, so there is only one way to match, and a name is refused in a time that its length bounds.
    part = _part_of(characters)
    return rf"\A(?![A-Za-z]:(?:/|\Z)){part}(?:/{part})*\Z"


SAFE_PATH_PATTERN = _path_of(_CHARACTERS)
SAFE_NAME_PATTERN = rf"\A{_part_of(_CHARACTERS)}\Z"

_is_plain = re.compile(_path_of(f"[{_PLAIN}]")).match  # safe, in ASCII; twice as fast as with all characters
# Tells that one part of a path is safe, given that it is a name on a disk, which has no slash. Listing a folder takes
# a few microseconds a file, and the whole check would take a tenth of that.
is_plain_name = re.compile(rf"[{_PLAIN}]+").fullmatch
_refused_in = re.compile(f"(?!{_CHARACTERS})[^/]").search


def path_fault(path: str) -> str:
    """Returns why a relative path may not be used, as the end of a sentence about it; empty if it may."""
    if _is_plain(path) and len(path) <= _MOST_BYTES:
        return ""
    if not path:
        return "is empty"
    if path.startswith("/") or re.match(r"[A-Za-z]:(?:/|\Z)", path):
        return "is absolute"
    if refused := _refused_in(path):
        return _refusal_of(refused[0])
    parts = path.split("/")
    for part in parts:
        if not part:
            return "has an empty part"
        if part in (".", ".."):
            return f"has the part {part!r}"
    num_bytes, longest = len(path.encode()), max(len(part.encode()) for part in parts)
    if num_bytes > _MOST_BYTES:
        return f"is {num_bytes:,} bytes long, more than {_MOST_BYTES:,}"
    if longest > _MOST_PART_BYTES:
        return f"has a part of {longest:,} bytes, more than {_MOST_PART_BYTES}"
    return ""


def require_safe_path(path: str, where: str) -> str:
    """Returns a relative path that may be joined to a root.

    Args:
      where: What has the path, for the message, e.g. "an object in 'gs://bucket/tiles'".

    Raises:
      DataError: if it is not safe.
    """
    if fault := path_fault(path):
        raise DataError(f"{where} has a name that is not a path below it: {shown(path)} {fault}; rename or remove it")
    return path


def shown(path: str) -> str:
    """Returns a path in quotes, in printable characters only, and cut if it is long."""
    return repr(path) if len(path) <= _MOST_SHOWN else f"{path[:_MOST_SHOWN]!r}…"


def _refusal_of(character: str) -> str:
    if character == "\\":
        return "has a backslash"
    if "\ud800" <= character <= "\udfff":
        return "is not UTF-8"
    return f"has the control character U+{ord(character):04X}"
