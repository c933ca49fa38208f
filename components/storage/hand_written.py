"""Reads YAML or JSON that a person wrote, such as prices or parameters: of bounded size, and what it seems to say.

PyYAML silently takes the last of two equal keys, and for text what YAML 1.2 and JSON take for a number, as 1e-4. A few
lines of aliases can stand for more objects than fit into memory, and deep nesting for more calls than Python makes.
"""

import json
import re
from typing import Any

import yaml

from components.printable import printable
from components.storage import is_remote, plain_place, read_range

_MOST_BYTES = 1 << 18
_MOST_DEPTH = 32  # of lists and objects in each other
_MOST_TEXT = 300  # characters of a fault
_FLOAT = "tag:yaml.org,2002:float"
_OPENS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_CLOSES = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Takes 1e-4 for a number."""


_Loader.add_implicit_resolver(
    _FLOAT, re.compile(r"\A[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+\Z"), list("-+.0123456789")
)


def read_hand_written(place: str) -> bytes:
    """Returns the content of a file or object that a person wrote; of one that is too large, enough to tell.

    Raises:
      OSError: if it cannot be read.
      SettingsError: for a scheme that is none of ours.
      UnreachableError: if a bucket does not answer.
    """
    place = plain_place(place)
    if is_remote(place):
        return read_range(place, 0, _MOST_BYTES + 1)
    with open(place, "rb") as file:  # also a pipe, in which another command may write what must lie nowhere
        return file.read(_MOST_BYTES + 1)


def parse_hand_written(content: bytes) -> Any:
    """Returns the objects of a YAML or JSON text.

    Raises:
      ValueError: if it is too large, not YAML, uses aliases, has a key twice, or a number that is none; says so in one
        line, without naming the file.
    """
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
    try:
        text = content.decode()
        if text.lstrip().startswith(("{", "[")):
            text = text.replace("\t", " ")  # by which JSON may be indented, and YAML not
        _check_events(text)
        _check_nodes(yaml.compose(text, _Loader))
        return yaml.load(text, _Loader)  # a SafeLoader
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(printable(" ".join(str(error).split()))[:_MOST_TEXT]) from error


def parse_json_option(text: str) -> Any:
    """Returns the objects of a JSON text from the command line, or from a field of a form.

    Raises:
      ValueError: if it is not JSON, has a key twice or a number that is none; says so in one line.
    """
    try:
        return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("it has too many lists or objects in each other") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for number, (name, _) in enumerate(pairs) if name in dict(pairs[:number]))
        raise ValueError(f"it has {twice!r} more than once; keep one of them")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _check_events(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("it has aliases (*name); write them out")
        depth += isinstance(event, _OPENS) - isinstance(event, _CLOSES)
        if depth > _MOST_DEPTH:
            raise ValueError(f"it has lists or objects more than {_MOST_DEPTH} deep in each other")


def _check_nodes(node: Any) -> None:
    if isinstance(node, yaml.MappingNode):
        names = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ValueError("it has a list or an object as a key; expected a name")
            if key.value in names:
                raise ValueError(f"it has {key.value!r} more than once; keep one of them")
            names.add(key.value)
            _check_nodes(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_nodes(value)
    elif node is not None and node.tag == _FLOAT and not _is_finite(node.value):
        raise ValueError(f"{node.value} is no amount")


def _is_finite(text: str) -> bool:
    """Returns whether a number is one; PyYAML makes infinity of 1e400, and of .inf, and .nan of itself."""
    found = _Loader("").construct_yaml_float(yaml.ScalarNode(_FLOAT, text))
    return bool(found - found == 0)
