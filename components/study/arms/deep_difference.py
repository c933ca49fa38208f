"""Where two values of the same form differ, at any depth."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


ABSENT = _Absent()  # stands for what one side does not have; equal to nothing that it may have

Found = tuple[str, Any, Any]  # a path, and what either side has there


def deep_differences(one: Any, other: Any, path: str = "") -> Iterator[Found]:
    """Yields each path at which two values differ, in the order of their fields, e.g. `training.config.seed`.

    A number that is not equal to itself differs from everything; 1 and 1.0 are equal, 1 and True are not.
    """
    if dataclasses.is_dataclass(one) and type(one) is type(other):
        for field in dataclasses.fields(one):
            yield from deep_differences(getattr(one, field.name), getattr(other, field.name), _below(path, field.name))
    elif isinstance(one, msgspec.Struct) and type(one) is type(other):
        for name in one.__struct_fields__:
            yield from deep_differences(getattr(one, name), getattr(other, name), _below(path, name))
    elif isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*one, *other]):
            yield from deep_differences(one.get(key, ABSENT), other.get(key, ABSENT), _below(path, str(key)))
    elif _is_sequence(one) and _is_sequence(other):
        for index in range(max(len(one), len(other))):
            left, right = (of[index] if index < len(of) else ABSENT for of in (one, other))
            yield from deep_differences(left, right, f"{path}[{index}]")
    elif one != other or isinstance(one, bool) is not isinstance(other, bool):
        yield path, one, other


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
