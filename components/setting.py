"""A setting and all that is known of it, beside its name, type and default: its meaning, and what it may be.

Settings are fields of frozen dataclasses. What a step, a command's options, the run form and the documentation say of
a setting comes from its field; so does the check of its value.
"""

import dataclasses
import math
from collections.abc import Callable, Collection, Iterator
from typing import Any, get_origin

from components.errors import SettingsError

_KEY = "setting"
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
    """What is known of a setting.

    Attributes:
      help: What it means, with its unit.
      at_least, above, at_most, below: The range of a number.
      choices: All values that there are; None for any.
      may_be_empty: Whether text may be empty.
      parameter: Its name as a parameter of the pipeline, where that is not its own name behind its step's prefix.
      parse: Makes its value from the text that its parameter is; None if the parameter is the value.
      text: The parameter's default, if `parse` is there.
    """

    help: str
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    choices: Collection[str] | None = None
    may_be_empty: bool = False
    parameter: str = ""
    parse: Callable[[str], Any] | None = None
    text: str = ""

    @property
    def range(self) -> str:
        """Says in words what a number must be; empty if it may be any."""
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
        """Tells whether a number is in the range; NaN and infinity are in none."""
        return (
            (isinstance(number, int) or math.isfinite(number))
            and (self.at_least is None or number >= self.at_least)
            and (self.above is None or number > self.above)
            and (self.at_most is None or number <= self.at_most)
            and (self.below is None or number < self.below)
        )


def setting(default: Any, help: str, **known: Any) -> Any:
    """Returns the field of a setting.

    Args:
      default: Its default; a dict or list is copied. `...` makes the setting required.
      help: One or two sentences for a person who is to choose a value.
      known: Further fields of Setting.
    """
    metadata = {_KEY: Setting(help=help, **known)}
    if default is ...:
        return dataclasses.field(metadata=metadata)
    if isinstance(default, dict | list):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def settings_of(settings_type: type) -> Iterator[tuple[dataclasses.Field[Any], Setting]]:
    """Yields the settings of a dataclass, without its other fields."""
    for field in dataclasses.fields(settings_type):
        if _KEY in field.metadata:
            yield field, field.metadata[_KEY]


def kind_of(annotation: Any) -> type:
    """Returns the plain type of an annotation: `dict` for dict[str, str]."""
    kind: type = get_origin(annotation) or annotation
    return kind


def check_kind(name: str, value: Any, annotation: Any) -> None:
    """Refuses a value of another kind than its setting's.

    Raises:
      SettingsError: names the setting, the kind, and the value.
    """
    kind = kind_of(annotation)
    accepted = int | float if kind is float else kind
    if isinstance(value, bool) is not (kind is bool) or not isinstance(value, accepted):
        raise SettingsError(f"{name} must be {_KINDS[kind]}, got {value!r}")


def parameter_name(field: dataclasses.Field[Any], known: Setting, prefix: str) -> str:
    """Returns what the pipeline calls a setting of the step with this prefix, and so do messages about it."""
    return known.parameter or f"{prefix}{field.name}"


def check_settings(settings: Any, prefix: str = "") -> None:
    """Refuses values that are of another kind, out of range, empty or unknown.

    Args:
      settings: A dataclass with settings among its fields.
      prefix: Of the names of its parameters.

    Raises:
      SettingsError: for the first of them: names the parameter, what it must be, and what it is.
    """
    for field, known in settings_of(type(settings)):
        if known.parse is None:
            check_value(parameter_name(field, known, prefix), getattr(settings, field.name), field.type, known)


def check_value(name: str, value: Any, annotation: Any, known: Setting) -> None:
    """Refuses a value that its setting may not have.

    Raises:
      SettingsError: names the setting, what it must be, and what it is.
    """
    check_kind(name, value, annotation)
    if known.parse is None and isinstance(value, str):
        if known.choices is not None:
            if value not in known.choices:
                raise SettingsError(f"unknown {name} {value!r}; expected one of {', '.join(known.choices)}")
        elif not value.strip() and not known.may_be_empty:
            raise SettingsError(f"{name} must not be empty")
    elif isinstance(value, int | float) and not isinstance(value, bool) and not known.allows(value):
        raise SettingsError(f"{name} must be {known.range or 'a number'}, got {value}")


def _number(bound: float) -> str:
    exponent = round(math.log2(bound)) if bound >= 2**20 else 0
    return f"2^{exponent}" if exponent and 2**exponent == bound else f"{bound:g}"
