"""What the site's tables say, read from the code: a function each for run parameters, TRAIN_CONFIG and commands.

Where settings move or change their form, this is the file to adapt; generate.py only lays out what comes from here.
"""

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any, get_origin

import msgspec
import typer

from components.errors import SettingsError
from components.train.settings.config import TrainConfig
from pipeline.cli import app
from pipeline.parameters import Parameters

_TYPES = {"str": "text", "int": "integer", "float": "number", "bool": "true or false"}
_GROUPS = {"ingest": "Ingest", "shard": "Shards", "train": "Training", "gate": "Gate"}


@dataclasses.dataclass(frozen=True)
class Setting:
    """A run parameter, or a key of TRAIN_CONFIG.

    Attributes:
      kind: What it holds, in words.
      default: As JSON.
      choices: The names that it may be, where these are known.
    """

    name: str
    kind: str
    default: str
    meaning: str
    group: str = ""
    choices: tuple[str, ...] = ()


def parameter_rows() -> list[Setting]:
    """Returns every run parameter, in the order of its declaration."""
    return [
        Setting(
            name=field.name,
            kind=_kind(field.type),
            default=_default(
                field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
            ),
            meaning=field.metadata["help"],
            group=_GROUPS.get(field.name.partition("_")[0], "Places"),
        )
        for field in dataclasses.fields(Parameters)
    ]


def train_config_rows() -> list[Setting]:
    """Returns every key of TRAIN_CONFIG, in the order of its declaration."""
    meanings = dict(_attributes(TrainConfig.__doc__ or ""))
    return [
        Setting(
            name=field.name,
            kind=_kind(field.type),
            default=_default(field.default),
            meaning=meanings[field.name],
            choices=_choices(field.name) if field.type is str else (),
        )
        for field in msgspec.structs.fields(TrainConfig)
    ]


def commands() -> dict[str, Any]:
    """Returns Typer's commands by name, in the order of --help."""
    return dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def _attributes(docstring: str) -> Iterator[tuple[str, str]]:
    """Yields name and meaning of all under "Attributes:"; several names before one colon have the same meaning."""
    section = docstring.partition("Attributes:\n")[2]
    for entry in re.split(r"\n(?= {6}\w)", "\n" + section):
        names, _, meaning = " ".join(entry.split()).partition(": ")
        for name in names.split(", "):
            yield name, meaning


def _choices(key: str) -> tuple[str, ...]:
    """Returns the names that a key may be, which the answer to a wrong one lists; none for free text."""
    try:
        TrainConfig.from_json(json.dumps({key: "?"}))
    except SettingsError as error:
        listed = re.search(r"expected one of ([\w, ]+)", str(error))
        return tuple(listed[1].split(", ")) if listed else ()
    return ()


def _kind(type_: Any) -> str:
    origin = get_origin(type_) or type_
    return {dict: "JSON object", list: "JSON list"}.get(origin) or _TYPES[origin.__name__]


def _default(value: Any) -> str:
    return json.dumps(value)
