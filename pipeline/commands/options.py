"""Settings as command-line options, with their help texts and defaults: those of the pipeline, or of a command."""

import dataclasses
import enum
import functools
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from components.errors import SettingsError
from components.safe_path import shown
from components.setting import kind_of, settings_of
from components.storage import plain_place
from components.storage.hand_written import parse_json_option
from pipeline.parameters import PARAMETERS, Parameter, Parameters, make_settings

_PANELS = {
    "ingest": "Ingest",
    "shard": "Shards",
    "train": "Training",
    "evaluate": "Evaluation",
    "gate": "Gate",
}
Command = Callable[..., None]

_FILE = "params"
_FILE_OPTION = Annotated[
    Path | None,
    typer.Option(help="YAML or JSON file of parameters; options on the command line override it."),
]


class _Switch(enum.StrEnum):
    TRUE = "true"
    FALSE = "false"


def with_parameters(
    *, file: bool = False, settings_type: type | None = None, only: Sequence[str] = (), **defaults: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds one option per pipeline parameter to a command, which receives them as one Parameters object.

    Args:
      file: Whether the command also takes `--params FILE`.
      settings_type: Passes the settings of this step to the command instead of Parameters.
      only: The parameters that get an option, by default all; the others keep their defaults.
      defaults: Defaults that differ from the pipeline's; `...` makes an option required.
    """

    def decorate(command: Command) -> Command:
        offered = [PARAMETERS[name] for name in only or PARAMETERS]

        def with_options(context: typer.Context, **values: Any) -> None:
            given = {each.name: _value(each, values.pop(each.name)) for each in offered}
            if file and (path := values.pop(_FILE)):
                from pipeline.parameter_file import read_parameters

                read = read_parameters(path)
                given |= {name: value for name, value in read.items() if not _on_command_line(context, name)}
            command(_made(settings_type, given), **values)

        options = [_option(each, defaults) for each in offered]
        if file:
            options.insert(0, _keyword(_FILE, None, _FILE_OPTION))
        own = list(inspect.signature(command).parameters.values())[1:]
        context = _keyword("context", inspect.Parameter.empty, typer.Context)
        with_options.__name__ = command.__name__
        with_options.__doc__ = command.__doc__
        with_options.__signature__ = inspect.Signature([context, *options, *own])  # type: ignore[attr-defined]
        with_options.__annotations__ = {p.name: p.annotation for p in (context, *options, *own)}
        return with_options

    return decorate


def with_settings(settings_type: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds one option per setting of a class to a command, which receives them as one object, `settings`.

    Below with_parameters, `settings` comes after the parameters; else it is the command's first argument.
    """
    options = {
        field.name: (field.default, Annotated[field.type, typer.Option(help=known.help)])
        for field, known in settings_of(settings_type)
    }
    return _with_object("settings", settings_type, options)


def with_options_as(name: str, kind: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds one option per field of a dataclass to a command, which receives them as one object of this name.

    Args:
      kind: Its fields are annotated with their typer.Option.
    """
    return _with_object(name, kind, {field.name: (field.default, field.type) for field in dataclasses.fields(kind)})


def _with_object(
    name: str, kind: type, options: Mapping[str, tuple[Any, Any]]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds options, each with its default and annotation, to a command, which receives an object made of them."""

    def decorate(command: Command) -> Command:
        def with_options(*before: Any, **values: Any) -> None:
            made = kind(**{option: values.pop(option) for option in options})
            command(*before, **{name: made}, **values)

        own = [each for each in inspect.signature(command).parameters.values() if each.name != name]
        added = [_keyword(option, *known) for option, known in options.items()]
        with_options.__name__ = command.__name__
        with_options.__doc__ = command.__doc__
        with_options.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
        with_options.__annotations__ = {p.name: p.annotation for p in (*own, *added)}
        return with_options

    return decorate


def with_plain_places(command: Command) -> Command:
    """Has a command take file:// URIs wherever it takes a folder or a file."""

    @functools.wraps(command)
    def with_paths(**values: Any) -> None:
        command(**{name: _plain(value) for name, value in values.items()})

    return with_paths


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, Path):
        return Path(plain_place(str(value)))  # which has one slash left
    return plain_place(value) if isinstance(value, str) else value


def _made(settings_type: type | None, given: dict[str, Any]) -> Any:
    if settings_type is None:
        return Parameters(**given)
    return make_settings(settings_type, {name: each.default for name, each in PARAMETERS.items()} | given)


def _keyword(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _option(parameter: Parameter, defaults: dict[str, Any]) -> inspect.Parameter:
    default = defaults.get(parameter.name, parameter.default)
    kind = parameter.kind
    if _is_json(parameter):
        kind, default = str, json.dumps(default)
    elif _is_switch(parameter):
        # It takes a value like all others, so that whoever hands on NAME=value need not know which are switches.
        kind, default = _Switch, _Switch.TRUE if default else _Switch.FALSE
    panel = _PANELS.get(parameter.name.split("_")[0], "Places")
    option = typer.Option(
        help=parameter.known.help, rich_help_panel=panel, show_default=default != "", case_sensitive=False
    )
    return _keyword(parameter.name, default, Annotated[kind, option])


def _is_json(parameter: Parameter) -> bool:
    """Returns whether a parameter is an object or a list, which an option takes as JSON text."""
    return kind_of(parameter.kind) in (dict, list)


def _is_switch(parameter: Parameter) -> bool:
    return kind_of(parameter.kind) is bool


def _value(parameter: Parameter, value: Any) -> Any:
    if _is_switch(parameter):
        return value == _Switch.TRUE
    if not _is_json(parameter):
        return value
    try:
        return parse_json_option(value)
    except ValueError as error:
        raise SettingsError(f"{parameter.name} must be JSON, got {shown(value)}: {error}") from error


def _on_command_line(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
