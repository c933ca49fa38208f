"""Escapes what is not printable in text that comes from data, such as the names of tiles and classes.

A file name may hold anything: sequences that clear a terminal or rename its window, a newline that starts a line of its
own in a log, characters that reverse what follows, halves of characters that cannot be printed at all. Each channel
escapes once, where text leaves the program: the steps' log, the terminal, the pages. Files for programs, such as
summary.json, keep the text as it is.
"""

import unicodedata

# Controls, invisible and directional formats, halves of pairs, private use, nothing yet; line and paragraph separators.
_NOT_PRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"  # invisible, but Persian and the scripts of India are misspelt without them
# What a spreadsheet takes for the start of a formula; also in the full-width forms of East Asian keyboards.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def printable(text: str) -> str:
    r"""Returns the text with each character that is not printable as its escape, e.g. `\x1b`, `\n`, `\u202e`.

    Letters, digits, marks and signs of any script stay as they are.
    """
    if text.isprintable():  # nearly every text, and much faster than to look at each character
        return text
    return "".join(_shown(character) for character in text)


def printable_cell(text: str) -> str:
    """Returns printable text that no spreadsheet takes for a formula: an apostrophe in front of one makes it text."""
    start = text.lstrip(" \u00a0")
    return printable(f"'{text}" if start.startswith(_FORMULA_STARTS) else text)


def printable_json(text: str) -> str:
    r"""Returns JSON of the same meaning with each character that is not printable as `\uXXXX`; keeps its lines."""
    return "\n".join(line if line.isprintable() else "".join(map(_as_json, line)) for line in text.split("\n"))


def _as_json(character: str) -> str:
    if _shown(character) == character:
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


def _shown(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _NOT_PRINTABLE:
        return character
    return character.encode("unicode_escape").decode("ascii")
