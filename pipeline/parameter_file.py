"""Reads a run's parameters from a file: YAML, which allows comments, or JSON, which is also YAML."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.errors import SettingsError
from components.storage.hand_written import parse_hand_written, read_hand_written
from pipeline.form import flat_values


def read_parameters(path: Path) -> dict[str, Any]:
    """Returns the parameters set in a file, which may be only some of them.

    It names them as the options of the command do, or has the objects of the run form.

    Raises:
      SettingsError: if the file cannot be read or parsed, sets a parameter twice, or names an unknown one.
    """
    try:
        content = read_hand_written(str(path))
    except OSError as error:
        raise SettingsError(f"cannot read the parameters in {str(path)!r}: {error}") from error
    try:
        values = parse_hand_written(content)
    except ValueError as error:
        raise SettingsError(f"{path} is no file of parameters: {error}") from error
    if not isinstance(values, Mapping):
        raise SettingsError(f"{path} must set parameters, such as 'train_num_workers: 2', got {values!r}")
    try:
        return flat_values(values)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error
