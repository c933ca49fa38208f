"""Reads a run's parameters from a file: YAML, which allows comments, or JSON, which is also YAML."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.errors import SettingsError
from pipeline.form import flat_values


def read_parameters(path: Path) -> dict[str, Any]:
    """Returns the parameters set in a file, which may be only some of them.

    It names them as the options of the command do, or has the objects of the run form.

    Raises:
      SettingsError: if the file cannot be read or parsed, sets a parameter twice, or names an unknown one.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the parameters in {str(path)!r}: {error}") from error
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is neither YAML nor JSON: {' '.join(str(error).split())}") from error
    if not isinstance(values, Mapping):
        raise SettingsError(f"{path} must set parameters, such as 'train_num_workers: 2', got {values!r}")
    assert isinstance(root, yaml.MappingNode)
    # PyYAML would silently take the last of two equal keys.
    names = [key.value for key, _ in root.value]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingsError(f"{path} sets {twice[0]} more than once; keep one of them")
    try:
        return flat_values(values)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error
