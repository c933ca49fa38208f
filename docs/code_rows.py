"""What the site's tables say, read from the code: a function each for run parameters and so on."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import typer

from components.setting import Setting, kind_of, settings_of
from components.sweep.settings import SweepSettings
from components.train.settings.config import PARTS, TrainConfig
from pipeline.cli import app
from pipeline.parameters import PARAMETERS

_TYPES = {str: "text", int: "integer", float: "number", bool: "true or false", dict: "JSON object", list: "JSON list"}
_GROUPS = {"ingest": "Ingest", "shard": "Shards", "train": "Training", "evaluate": "Evaluation", "gate": "Gate"}


@dataclasses.dataclass(frozen=True)
class Row:
    """A run parameter, or a key of TRAIN_CONFIG.

    Attributes:
      kind: What it holds, in words, with its range.
      default: As JSON.
      choices: The names that it may be; empty for any.
      in_form: Where the run form has a parameter.
    """

    name: str
    kind: str
    default: str
    meaning: str
    group: str
    choices: tuple[str, ...] = ()
    in_form: str = ""


def parameter_rows() -> list[Row]:
    """Returns every run parameter, in the order of its declaration."""
    return [
        dataclasses.replace(
            _row(name, each.kind, each.default, each.known, _GROUPS.get(name.partition("_")[0], "Places")),
            in_form=f"{each.known.group}.{each.key}" if each.known.group else name,
        )
        for name, each in PARAMETERS.items()
    ]


def train_config_rows() -> list[Row]:
    """Returns every key of TRAIN_CONFIG, in the order of its declaration, by the part that it belongs to."""
    return list(_train_config_rows())


def _train_config_rows() -> Iterator[Row]:
    owned = set()
    for part in (*PARTS, TrainConfig):
        group = part.__name__.removesuffix("Settings") if part is not TrainConfig else "Whole training"
        for field, known in settings_of(part):
            if field.name not in owned:
                owned.add(field.name)
                yield _row(field.name, field.type, field.default, known, _words(group))


def sweep_rows() -> list[Row]:
    """Returns the settings of a sweep, but for what it varies, in the order of their declaration."""
    found = [(field, known) for field, known in settings_of(SweepSettings) if known.group]
    return [_row(field.name, field.type, field.default, known, "Sweep") for field, known in found]


def commands() -> dict[str, Any]:
    """Returns Typer's commands by name, in the order of --help."""
    return dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def _row(name: str, annotation: Any, default: Any, known: Setting, group: str) -> Row:
    kind = _TYPES[kind_of(annotation)]
    return Row(
        name=name,
        kind=f"{kind}, {known.range}" if known.range else kind,
        default=json.dumps(default),
        meaning=known.help,
        group=group,
        choices=tuple(known.choices or ()),
    )


def _words(name: str) -> str:
    """Returns the words of a class name: FineTuning becomes "Fine tuning"."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
    return spaced[0].upper() + spaced[1:]
