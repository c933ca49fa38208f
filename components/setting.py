"""Declares a setting in one place: its name, type, default, meaning and allowed values.

Settings are fields of frozen dataclasses. Steps, command options, the run form and the documentation all take what they
state about a setting from its field, and its value is checked against the field.
"""

import dataclasses
import difflib
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, TypeVar, get_origin

from components.errors import SettingsError

_KEY = "setting"
_Settings = TypeVar("_Settings")
_KINDS = {
    bool: "true or false",
    str: "text",
    int: "a whole number",
    float: "a number",
    dict: "an object such as {}",
    list: "a list such as []",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """What a setting has in addition to its name, type and default.

    Attributes:
      help: Its meaning, with its unit.
      at_least, above, at_most, below: The range of a number.
      choices: All allowed values; None for any.
      may_be_empty: Whether text may be empty.
      parameter: Its name as a pipeline parameter, if that is not the step's prefix plus the field's name.
      group: The object of the run form that it is a key of; empty if it has a field of its own there.
      parse: Turns its parameter, an object, into its value; None if the parameter is the value.
    """

    help: str
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    choices: Collection[str] | None = None
    may_be_empty: bool = False
    parameter: str = ""
    group: str = ""
    parse: Callable[..., Any] | None = None

    @property
    def range(self) -> str:
        """The range in words, e.g. "at least 1"; empty if any number is allowed."""
        if self.at_least is not None and self.at_most is not None:
            return f"between {_number(self.at_least)} and {_number(self.at_most)}"
        bounds = (
            ("at least", self.at_least),
            ("above", self.above),
            ("at most", self.at_most),
            ("below", self.below),
        )
        return " and ".join(f"{name} {_number(bound)}" for name, bound in bounds if bound is not None)

    def allows(self, number: float) -> bool:
        """Returns whether a number is in the range; NaN and infinity never are."""
        return (
            (isinstance(number, int) or math.isfinite(number))
            and (self.at_least is None or number >= self.at_least)
            and (self.above is None or number > self.above)
            and (self.at_most is None or number <= self.at_most)
            and (self.below is None or number < self.below)
        )


def setting(default: Any, help: str, **known: Any) -> Any:
    """Returns the dataclass field of a setting.

    Args:
      default: Its default; a dict or list is copied. `...` makes the setting required.
      help: One or two sentences that help a person choose a value.
      known: Further fields of Setting.
    """
    metadata = {_KEY: Setting(help=help, **known)}
    if default is ...:
        return dataclasses.field(metadata=metadata)
    if isinstance(default, dict | list):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def settings_of(settings_type: type) -> Iterator[tuple[dataclasses.Field[Any], Setting]]:
    """Yields each setting of a dataclass with its field; skips the other fields."""
    for field in dataclasses.fields(settings_type):
        if _KEY in field.metadata:
            yield field, field.metadata[_KEY]


def kind_of(annotation: Any) -> type:
    """Returns the plain type of an annotation, e.g. `dict` for dict[str, str]."""
    kind: type = get_origin(annotation) or annotation
    return kind


def check_kind(name: str, value: Any, annotation: Any) -> None:
    """Refuses a value that is not of its setting's kind.

    Raises:
      SettingsError: if it is not; names the setting, the kind and the value.
    """
    kind = kind_of(annotation)
    accepted = int | float if kind is float else kind
    if isinstance(value, bool) is not (kind is bool) or not isinstance(value, accepted):
        raise SettingsError(f"{name} must be {_KINDS[kind]}, got {value!r}")


def parameter_name(field: dataclasses.Field[Any], known: Setting, prefix: str) -> str:
    """Returns a setting's name in the pipeline and in messages; `prefix` is the step's."""
    return known.parameter or f"{prefix}{field.name}"


def check_settings(settings: Any, prefix: str = "") -> None:
    """Refuses values that are of the wrong kind, out of range, empty or unknown.

    Args:
      settings: A dataclass with settings among its fields.
      prefix: Prefix of its parameters' names.

    Raises:
      SettingsError: for the first such value; names the parameter, what it must be and what it is.
    """
    for field, known in settings_of(type(settings)):
        if known.parse is None:
            check_value(parameter_name(field, known, prefix), getattr(settings, field.name), field.type, known)


def check_value(name: str, value: Any, annotation: Any, known: Setting) -> None:
    """Refuses a value that its setting does not allow.

    Raises:
      SettingsError: if it is not allowed; names the setting, what it must be and what it is.
    """
    check_kind(name, value, annotation)
    if known.parse is None and isinstance(value, str):
        if known.choices is not None:
            if value not in known.choices:
                meant = nearest(value, known.choices)
                raise SettingsError(f"unknown {name} {value!r}{meant}; expected one of {', '.join(known.choices)}")
        elif not value.strip() and not known.may_be_empty:
            raise SettingsError(f"{name} must not be empty")
    elif isinstance(value, int | float) and not isinstance(value, bool) and not known.allows(value):
        raise SettingsError(f"{name} must be {known.range or 'a number'}, got {value}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns the known name that somebody may have meant, as the end of a sentence; empty if none is like it."""
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f" (did you mean {found[0]!r}?)" if found else ""


def as_kind(value: Any, annotation: Any) -> Any:
    """Returns a number of an object as its setting's kind has it, and everything else as it is.

    Kubeflow turns the 2 of an object into 2.0, people write 0 for 0.0, and equal settings must give equal names.
    """
    if annotation is int and isinstance(value, float) and value.is_integer():
        return int(value)
    return float(value) if annotation is float and type(value) is int else value


def settings_from(
    settings_type: type[_Settings], group: str, given: Mapping[str, Any], *, is_shared: bool = False, **own: Any
) -> _Settings:
    """Returns a step's settings as the run form has them.

    Args:
      group: The object that holds some of them, e.g. "data_options".
      given: Its keys, which may be only some of them, with their values.
      is_shared: Whether it also holds settings of another step, which are left out. The run's check, which knows all of
        them, has refused keys that nobody knows.
      own: Those that are not in it.

    Raises:
      SettingsError: for an unknown key, or a value that is not allowed.
    """
    kinds = {field.name: field.type for field, known in settings_of(settings_type) if known.group == group}
    if is_shared:
        given = {key: value for key, value in given.items() if key in kinds}
    for key in given:
        check_key(group, key, kinds)
    return settings_type(**{key: as_kind(value, kinds[key]) for key, value in given.items()}, **own)


def check_key(group: str, key: str, known: Collection[str]) -> None:
    """Refuses a key that an object does not have.

    Raises:
      SettingsError: names the object, the key, the one that may have been meant, and all keys.
    """
    if key not in known:
        raise SettingsError(f"{group}: unknown key {key!r}{nearest(key, known)}; the keys are {', '.join(known)}")


def _number(bound: float) -> str:
    exponent = round(math.log2(bound)) if bound >= 2**20 else 0
    return f"2^{exponent}" if exponent and 2**exponent == bound else f"{bound:g}"
