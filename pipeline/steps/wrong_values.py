"""All that is wrong with the fields of a run form, and not only the first: finding each by itself takes a run."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from components.errors import SettingsError
from components.train.settings.config import TrainConfig
from pipeline.form import CONFIG, flat_values, in_form_words
from pipeline.parameters import Parameters

_Part = tuple[str, ...]  # the name of a field, or that and a key of its object


def what_is_wrong(given: Mapping[str, Any]) -> str:
    """Returns every error in the fields of a run form, as one; empty if there is none.

    What an error is about is found by leaving out one field, or one key of an object, after the other, until the error
    is another one. It is left out from then on, so that the next error shows.
    """
    messages: list[str] = []
    rest, left_out = dict(given), list[str]()
    while message := _error(rest):
        # What speaks of a value that was left out may be wrong only without it.
        if not any(re.search(rf"(\b|_){re.escape(key)}\b", message.partition(";")[0]) for key in left_out):
            messages.append(_with_its_place(message, rest))
        cause = next((part for part in _parts(rest) if _error(_without(rest, part)) != message), None)
        if cause is None:
            break
        rest = _without(rest, cause)
        left_out.append(TrainConfig.parameters().get(cause[-1], cause[-1]))
    return "; also ".join(messages)


def _error(given: Mapping[str, Any]) -> str:
    try:
        Parameters(**flat_values(given))
    except SettingsError as error:
        return str(error)
    return ""


def _parts(given: Mapping[str, Any]) -> Iterator[_Part]:
    for name, value in given.items():
        if isinstance(value, dict):
            yield from ((name, key) for key in value)
        else:
            yield (name,)


def _without(given: Mapping[str, Any], part: _Part) -> dict[str, Any]:
    name, *keys = part
    rest = {field: value for field, value in given.items() if field != name}
    return rest | {name: {key: value for key, value in given[name].items() if key not in keys}} if keys else rest


def _with_its_place(message: str, given: Mapping[str, Any]) -> str:
    """Returns an error with where the form has what it is about."""
    config = given.get(CONFIG)
    for name, key in TrainConfig.parameters().items():
        if message.startswith(f"{name} ") and isinstance(config, dict) and key in config:
            return f"{message}; in the run form it is the key {key!r} of {CONFIG}"
    return in_form_words(message)
