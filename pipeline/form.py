"""The run form: the fields that Kubeflow's page shows, and how they become parameters and back.

The page lists fields by name, in alphabetical order and without a description, so each has a default and begins with
its step or names a place. What people change has a field of its own; what is rarely changed, or belongs to whoever
runs the cluster, is a key of an object, for which the page has an editor. Imports neither kfp nor TensorFlow.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from components.errors import SettingsError
from components.gate.settings import OPTIONS as GATE_OPTIONS
from components.ingest.settings import OPTIONS as DATA_OPTIONS
from components.safe_path import shown
from components.setting import as_kind, check_key, check_kind, nearest
from components.storage.hand_written import parse_json_option
from components.train.settings.node_pools import OBJECT as TRAIN_POOL
from components.train.settings.train_settings import OPTIONS as TRAIN_OPTIONS
from pipeline.parameters import BUCKET_PLACES, PARAMETERS, VOLUME_CLAIM, Parameter, Parameters

_OBJECTS = {
    DATA_OPTIONS: "What is rarely changed of the dataset",
    TRAIN_OPTIONS: "What is rarely changed of how training runs",
    GATE_OPTIONS: "What is rarely changed of how a model is judged, when it is pushed, and in which formats",
    TRAIN_POOL: "Where the workers run on a cluster: a profile, and changes to it for this cluster",
}
CONFIG = "train_config"
CLAIM = "volume_claim"


@dataclasses.dataclass(frozen=True)
class FormField:
    """A field of the run form; the attributes are those of a Parameter."""

    kind: Any
    default: Any
    help: str


def keys_of(name: str) -> dict[str, Parameter]:
    """Returns the parameters of an object of the form, by key."""
    return {each.key: each for each in PARAMETERS.values() if each.known.group == name}


def fields(volume: bool) -> dict[str, FormField]:
    """Returns the form's fields by name; with a claim to mount, or with places in a bucket."""
    shown = dict(_fields())
    if volume:
        shown[CLAIM] = FormField(str, VOLUME_CLAIM, "Volume claim that every step mounts at /mnt/agrivision.")
    else:
        shown |= {name: dataclasses.replace(shown[name], default=place) for name, place in BUCKET_PLACES.items()}
    return shown


def _fields() -> Iterator[tuple[str, FormField]]:
    for name, each in PARAMETERS.items():
        if not each.known.group:
            yield name, FormField(each.kind, each.default, each.known.help)
    for name, meaning in _OBJECTS.items():
        keys = keys_of(name)
        told = " ".join(f"{key}: {each.known.help}" for key, each in keys.items())
        yield name, FormField(dict[str, Any], {key: each.default for key, each in keys.items()}, f"{meaning}. {told}")


def form_values(parameters: Parameters) -> dict[str, Any]:
    """Returns a run's parameters as the form has them, without a volume claim."""
    values = {name: value for name, value in parameters.values.items() if not PARAMETERS[name].known.group}
    return values | {
        name: {key: parameters.values[each.name] for key, each in keys_of(name).items()} for name in _OBJECTS
    }


def flat_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns parameters by name; those of the form's objects in place of the objects.

    Args:
      given: Fields of the form, or parameters, or some of both.

    Raises:
      SettingsError: if a name or a key is unknown, or a parameter is given twice.
    """
    flat: dict[str, Any] = {}
    for name, value in given.items():
        if name in _OBJECTS:
            check_kind(name, value, dict)
            keys = keys_of(name)
            for key in value:
                check_key(name, key, [*keys])
            inside = {keys[key].name: as_kind(each, keys[key].kind) for key, each in value.items()}
        elif name in PARAMETERS:
            inside = {name: _as_object(value) if name == CONFIG else value}
        else:
            known = (*PARAMETERS, *_OBJECTS)
            raise SettingsError(f"unknown parameter {name!r}{nearest(name, known)}; expected one of {', '.join(known)}")
        if twice := sorted(flat.keys() & inside.keys()):
            raise SettingsError(f"{twice[0]} is given twice, alone and in {PARAMETERS[twice[0]].known.group}; keep one")
        flat |= inside
    return flat


def _as_object(value: Any) -> Any:
    """Returns an object that may be given as JSON text, as train_config was before the page had an editor for it."""
    if isinstance(value, str):
        try:
            return parse_json_option(value)
        except ValueError as error:
            raise SettingsError(
                f'{CONFIG} must be an object such as {{"epochs": 2}}, got {shown(value)}: {error}'
            ) from error
    return value


def in_form_words(message: str) -> str:
    """Returns an error with where the run form has the parameters that it names, if that is in an object."""
    found = [each for each in PARAMETERS.values() if each.known.group and each.name in message.split(";")[0]]
    if not found:
        return message
    longest = max(found, key=lambda each: len(each.name))
    cause, separator, rest = message.partition("; ")
    return f"{cause}; in the run form it is the key {longest.key!r} of {longest.known.group}{separator}{rest}"
