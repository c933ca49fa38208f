"""What to vary in a sweep, as command-line options and as a file."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from components.errors import SettingsError
from components.setting import check_key, kind_of, settings_of
from components.storage.hand_written import parse_hand_written, read_hand_written
from components.sweep.settings import PREFIX, SEARCH, SweepSettings
from components.train.settings.config import TrainConfig

_OPTION = "search"
_HELP = (
    "What to vary, once for each key of TRAIN_CONFIG: KEY=VALUE,VALUE,... or a range, KEY=LOW..HIGH, or "
    "KEY=LOW..HIGH:log where equal ratios count the same. Or a YAML or JSON file of keys, each with a list or an "
    "object of low, high and log."
)
_SUFFIXES = (".yaml", ".yml", ".json")
_PANEL = "Sweep"
_LOG = ":log"


def with_sweep(*, required: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds the options of a sweep to a command, which receives them as `sweep`: SweepSettings, or None without any.

    Args:
      required: Whether the command is nothing without them.
    """
    fields = [(field, known) for field, known in settings_of(SweepSettings) if known.group]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def with_options(*arguments: Any, **values: Any) -> None:
            search = values.pop(_OPTION)
            options = {field.name: values.pop(f"{PREFIX}{field.name}") for field, _ in fields}
            changed = [field.name for field, _ in fields if options[field.name] != field.default]
            if not search and changed and not required:
                raise SettingsError(
                    f"--sweep-{changed[0].replace('_', '-')} needs --{_OPTION}, which says what to vary"
                )
            sweep = SweepSettings(search=read_search(search), **options) if search or required else None
            command(*arguments, sweep=sweep, **values)

        keyword = inspect.Parameter.KEYWORD_ONLY
        searching = typer.Option(f"--{_OPTION}", help=_HELP, rich_help_panel=_PANEL, show_default=False)
        added = [
            inspect.Parameter(
                f"{PREFIX}{field.name}",
                keyword,
                default=field.default,
                annotation=Annotated[field.type, typer.Option(help=known.help, rich_help_panel=_PANEL)],
            )
            for field, known in fields
        ]
        added.insert(0, inspect.Parameter(_OPTION, keyword, default=[], annotation=Annotated[list[str], searching]))
        own = [each for each in inspect.signature(command).parameters.values() if each.name != "sweep"]
        with_options.__signature__ = inspect.Signature([own[0], *added, *own[1:]])  # type: ignore[attr-defined]
        return with_options

    return decorate


def read_search(given: Sequence[str]) -> dict[str, Any]:
    """Returns the search space of the option, as the run form has it; its values are checked with the trials.

    Raises:
      SettingsError: for what is neither KEY=VALUES nor a file, a key that is given twice, or an unknown one.
    """
    search: dict[str, Any] = {}
    for text in given:
        key, equals, values = text.partition("=")
        found = {key.strip(): _values(key.strip(), values)} if equals else _of_file(text)
        if twice := sorted(search.keys() & found.keys()):
            raise SettingsError(f"--{_OPTION} gives {twice[0]} twice; keep one")
        search |= found
    return search


def _values(key: str, text: str) -> Any:
    kinds = {field.name: kind_of(field.type) for field, _ in settings_of(TrainConfig)}
    check_key(SEARCH, key, kinds)
    low, dots, high = text.partition("..")
    if dots and kinds[key] in (int, float):
        is_log = high.endswith(_LOG)
        ends = {"low": _value(key, low, kinds[key]), "high": _value(key, high.removesuffix(_LOG), kinds[key])}
        return ends | ({"log": True} if is_log else {})
    return [_value(key, each, kinds[key]) for each in text.split(",")]


def _value(key: str, text: str, kind: type) -> Any:
    """Returns a value of the key's kind; text that is none as it is, for the check of the space to refuse."""
    text = text.strip()
    if kind is str:
        return text
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _of_file(name: str) -> Mapping[str, Any]:
    path = Path(name)
    if path.suffix not in _SUFFIXES:
        raise SettingsError(
            f"--{_OPTION} must be KEY=VALUES, or a file that ends in {', '.join(_SUFFIXES)}, got {name!r}"
        )
    try:
        content = read_hand_written(name)
    except OSError as error:
        raise SettingsError(f"cannot read the search space in {name!r}: {error}") from error
    try:
        found = parse_hand_written(content)
    except ValueError as error:
        raise SettingsError(f"{name} is no file of a search space: {error}") from error
    if not isinstance(found, Mapping):
        raise SettingsError(
            f"{name} must have keys of TRAIN_CONFIG, such as 'loss: [cross_entropy, focal]', got {found!r}"
        )
    return {str(key): values for key, values in found.items()}
