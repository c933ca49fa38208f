"""The entries of the loop over a rung: which trial, and in which rung, as text."""

import re

from components.contracts import Sweep
from components.errors import SettingsError
from components.sweep.halving import ask_rung

_ENTRY = re.compile(r"(?P<trial>[1-9]\d{0,3}) in rung (?P<rung>[1-9])", re.ASCII)


def entries(sweep: Sweep, rung: int) -> list[str]:
    """Returns what the loop over a rung takes; as text, because KFP turns whole numbers inside a list into floats."""
    return [f"{number} in rung {at}" for number, at in ask_rung(sweep, rung)]


def read_entry(entry: str) -> tuple[int, int]:
    """Returns the number of the trial, and the rung.

    Raises:
      SettingsError: if it is no entry.
    """
    if not (match := _ENTRY.fullmatch(entry)):
        raise SettingsError(f'the entry of a trial must be such as "3 in rung 1", got {entry!r}')
    return int(match["trial"]), int(match["rung"])
