"""The pipeline's parameters as options of a command: one each, with its help text and its default."""

import dataclasses
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_origin

import typer

from components.errors import SettingsError
from pipeline.parameters import Parameters

_PANELS = {
    "ingest": "Ingest",
    "shard": "Shards",
    "train": "Training",
    "gate": "Gate",
}
_FILE = "params"
_FILE_OPTION = Annotated[
    Path | None,
    typer.Option(help="YAML or JSON file of parameters; options of this command line win over it."),
]


def with_parameters(*, file: bool = False, **defaults: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command one option per pipeline parameter, beside its own; it gets them as one Parameters.

    Args:
      file: Whether the command takes `--params FILE` too.
      defaults: Defaults other than the pipeline's; `...` makes an option required.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        fields = dataclasses.fields(Parameters)

        def with_options(context: typer.Context, **values: Any) -> None:
            given = {field.name: _value(field, values.pop(field.name)) for field in fields}
            if file and (path := values.pop(_FILE)):
                from pipeline.parameter_file import read_parameters

                read = read_parameters(path)
                given |= {name: value for name, value in read.items() if not _on_command_line(context, name)}
            command(Parameters(**given), **values)

        options = [_option(field, defaults) for field in fields]
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


def _keyword(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _option(field: dataclasses.Field[Any], defaults: dict[str, Any]) -> inspect.Parameter:
    default = defaults.get(field.name, field.default)
    if _is_json(field):
        assert field.default_factory is not dataclasses.MISSING
        default = json.dumps(field.default_factory())
    kind = str if _is_json(field) else field.type
    panel = _PANELS.get(field.name.split("_")[0], "Places")
    option = typer.Option(help=field.metadata["help"], rich_help_panel=panel, show_default=default != "")
    return _keyword(field.name, default, Annotated[kind, option])


def _is_json(field: dataclasses.Field[Any]) -> bool:
    """Tells whether a parameter is an object or a list, which an option gives as JSON text."""
    return get_origin(field.type) in (dict, list)


def _value(field: dataclasses.Field[Any], value: Any) -> Any:
    if not _is_json(field):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise SettingsError(f"{field.name} must be JSON, got {value!r}: {error}") from error


def _on_command_line(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
