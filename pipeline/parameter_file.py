"""Reads a run's parameters from a file: YAML, so that it can have comments, or JSON, which is YAML too."""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.errors import SettingsError
from pipeline.parameters import PARAMETERS


def read_parameters(path: Path) -> dict[str, Any]:
    """Returns the parameters that a file names, of which it need not name all.

    `train_config` may be an object there, or the JSON text that the parameter is.

    Raises:
      SettingsError: if the file cannot be read, or is not what it should be, or names what is no parameter.
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
        raise SettingsError(f"{path} must name parameters, such as 'train_num_workers: 2', got {values!r}")
    assert isinstance(root, yaml.MappingNode)
    # YAML's reader would take the last of two without a word.
    names = [key.value for key, _ in root.value]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingsError(f"{path} gives {twice[0]} more than once; keep one of them")
    for name in names:
        _check_name(name, path)
    if isinstance(config := values.get("train_config"), Mapping):
        return {**values, "train_config": json.dumps(config)}
    return dict(values)


def _check_name(name: str, path: Path) -> None:
    if name not in PARAMETERS:
        nearest = difflib.get_close_matches(name, PARAMETERS, n=1, cutoff=0.0)[0]
        raise SettingsError(f"unknown parameter {name!r} in {path}; did you mean {nearest}?")
