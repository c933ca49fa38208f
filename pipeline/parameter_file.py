"""Reads a run's parameters from a file: YAML, which allows comments, or JSON, which is also YAML."""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.errors import SettingsError
from pipeline.parameters import PARAMETERS


def read_parameters(path: Path) -> dict[str, Any]:
    """Returns the parameters set in a file, which may be only some of them.

    `train_config` may be an object in the file, or JSON text as in the parameter itself.

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
    for name in names:
        _check_name(name, path)
    if isinstance(config := values.get("train_config"), Mapping):
        return {**values, "train_config": json.dumps(config)}
    return dict(values)


def _check_name(name: str, path: Path) -> None:
    if name not in PARAMETERS:
        nearest = difflib.get_close_matches(name, PARAMETERS, n=1, cutoff=0.0)[0]
        raise SettingsError(f"unknown parameter {name!r} in {path}; did you mean {nearest}?")
