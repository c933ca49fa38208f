"""The search space: which values each key of TRAIN_CONFIG may take, checked by the key's own setting."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from components.contracts.sweep import TrialValue
from components.errors import SettingsError
from components.setting import Setting, as_kind, check_key, check_kind, check_value, settings_of
from components.sweep.settings import SEARCH
from components.sweep.sobol import MOST_DIMENSIONS
from components.train.settings.config import TrainConfig

_MOST_VALUES = 100  # of a list
_DIGITS = 4  # significant ones of a number drawn from a range: more would only look exact
_LOW, _HIGH, _LOG = "low", "high", "log"
# What a sweep sets itself, with the way out.
_RESERVED = {
    "epochs": "successive halving sets it; set train_epochs, the epochs of the last rung",
    "seed": "a sweep repeats each trial with several seeds; set sweep_num_seeds",
}


@dataclasses.dataclass(frozen=True)
class Choice:
    """A key that takes one value of a list."""

    values: tuple[TrialValue, ...]

    def at(self, position: float) -> TrialValue:
        """Returns the value at a position in [0, 1)."""
        return self.values[int(position * len(self.values))]


@dataclasses.dataclass(frozen=True)
class Span:
    """A key that takes a number between two others, both included.

    Attributes:
      is_whole: Whether it takes whole numbers only.
      is_log: Whether equal ratios are equally likely, instead of equal differences.
    """

    low: float
    high: float
    is_whole: bool
    is_log: bool

    def at(self, position: float) -> TrialValue:
        """Returns the number at a position in [0, 1), rounded so that every machine makes the same of it."""
        high = self.high + 1 if self.is_whole else self.high
        value = self.low * (high / self.low) ** position if self.is_log else self.low + (high - self.low) * position
        if self.is_whole:
            # The digits are cut first: the last of them differs between machines.
            return int(min(max(math.floor(float(f"{value:.12g}")), self.low), self.high))
        return float(min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high))

    @property
    def values(self) -> tuple[TrialValue, ...] | None:
        """All numbers that it can be; None if they are too many to list."""
        if not self.is_whole or self.high - self.low >= _MOST_VALUES:
            return None
        return tuple(range(int(self.low), int(self.high) + 1))


Space: TypeAlias = Mapping[str, Choice | Span]  # by key, in alphabetical order


def read_space(search: Mapping[str, Any]) -> dict[str, Choice | Span]:
    """Returns the search space that an object describes.

    Args:
      search: By key of TRAIN_CONFIG, a list of values or an object with low, high and perhaps log.

    Raises:
      SettingsError: for an unknown key, or a value that its setting does not allow; names the key and what it allows.
    """
    check_kind(SEARCH, search, dict)
    if not search:
        raise SettingsError(f"{SEARCH} is empty; give keys to vary, such as learning_rate=0.0001..0.01:log")
    if len(search) > MOST_DIMENSIONS:
        raise SettingsError(f"{SEARCH} must have at most {MOST_DIMENSIONS} keys, got {len(search)}")
    fields = {field.name: (field.type, known) for field, known in settings_of(TrainConfig)}
    space = {}
    # Sorted, because an object has lost its order when it has been through Kubeflow, and the trials depend on it.
    for key, values in sorted(search.items()):
        check_key(SEARCH, key, fields)
        if key in _RESERVED:
            raise SettingsError(f"{SEARCH}: {key} cannot be varied: {_RESERVED[key]}")
        space[key] = _of_key(key, values, *fields[key])
    return space


def as_search(space: Space) -> dict[str, Any]:
    """Returns the object that describes a space: the same for equal spaces, however they were given."""
    return {
        key: list(each.values) if isinstance(each, Choice) else {_LOW: each.low, _HIGH: each.high, _LOG: each.is_log}
        for key, each in space.items()
    }


def _of_key(key: str, values: Any, kind: Any, known: Setting) -> Choice | Span:
    if isinstance(values, Mapping):
        return _span(key, values, kind, known)
    if not isinstance(values, list | tuple):
        raise SettingsError(
            f"{SEARCH}: {key} must be a list of values or a range, got {values!r}; what all trials share belongs in "
            "train_config"
        )
    if not 2 <= len(values) <= _MOST_VALUES:
        raise SettingsError(f"{SEARCH}: {key} must list between 2 and {_MOST_VALUES} values, got {len(values)}")
    listed = tuple(_checked(key, value, kind, known) for value in values)
    if twice := [value for number, value in enumerate(listed) if value in listed[:number]]:
        raise SettingsError(f"{SEARCH}: {key} lists {twice[0]!r} twice; keep one")
    return Choice(listed)


def _span(key: str, given: Mapping[str, Any], kind: Any, known: Setting) -> Span:
    if kind not in (int, float):
        raise SettingsError(f"{SEARCH}: {key} is no number and has no range; give a list of its values")
    for name in given:
        check_key(f"{SEARCH}: {key}", name, (_LOW, _HIGH, _LOG))
    if missing := [name for name in (_LOW, _HIGH) if name not in given]:
        raise SettingsError(f"{SEARCH}: the range of {key} has no {missing[0]!r}; it needs {_LOW!r} and {_HIGH!r}")
    low, high = (_checked(key, given[name], kind, known) for name in (_LOW, _HIGH))
    assert not isinstance(low, str)
    assert not isinstance(high, str)
    is_log = given.get(_LOG, False)
    check_kind(f"{SEARCH}: {_LOG} of {key}", is_log, bool)
    if not low < high:
        raise SettingsError(f"{SEARCH}: the range of {key} must begin below its end, got {low} to {high}")
    if is_log and low <= 0:
        raise SettingsError(f"{SEARCH}: the range of {key} must begin above 0 to be logarithmic, got {low}")
    return Span(low, high, kind is int, is_log)


def _checked(key: str, value: Any, kind: Any, known: Setting) -> TrialValue:
    try:
        value = as_kind(value, kind)
        check_value(key, value, kind, known)
    except SettingsError as error:
        raise SettingsError(f"{SEARCH}: {error}") from error
    checked: TrialValue = value
    return checked
