"""What makes a change another one: which parameters of a run change its result, and which do not."""

import os
from collections.abc import Mapping

import msgspec

from components.errors import SettingsError
from components.storage import is_remote
from pipeline.parameters import PARAMETERS, PLACES, Parameters

# Why a parameter is no part of the key. All others are.
NOT_IN_KEY: Mapping[str, str] = {
    "data_root": "where the triggers are themselves",
    "source_version": "only keeps Kubeflow from reusing an old listing",
    "shard_reference_manifest": "only the data report compares with it",
    "train_max_restarts": "how often a lost worker is replaced",
    "train_checkpoint_seconds": "how often a training is saved",
    "train_keep_checkpoints": "how much of it is kept",
    "train_profile": "the machines that train",
    "train_accelerator_type": "the machines that train",
    "train_accelerator_count": "the machines that train",
    "train_node_selector": "the machines that train",
    "train_tolerations": "the machines that train",
    "train_cpu": "the machines that train",
    "train_memory": "the machines that train",
    "train_shared_memory": "the machines that train",
}


def result_parameters(parameters: Parameters) -> dict[str, object]:
    """Returns the parameters that change the result of a run, by name.

    Raises:
      SettingsError: if one is not UTF-8, so that no document can hold it.
    """
    values = {name: parameters.values[name] for name in PARAMETERS if name not in NOT_IN_KEY}
    for name, value in values.items():
        try:
            msgspec.json.encode(value)
        except UnicodeEncodeError as error:
            raise SettingsError(f"{name} is not UTF-8, got {value!r}; choose another name") from error
    return values | {name: same_place(values[name]) for name in PLACES if name in values}


def same_place(uri: str) -> str:
    """Returns a place as everybody names it, so that another way to write it makes no other change."""
    return uri.rstrip("/") if is_remote(uri) else os.path.abspath(uri)


def for_fingerprint(parameters: Parameters, fingerprint: str) -> Parameters:
    """Returns the parameters of a run on a source as it is now, of which Kubeflow must not reuse an old listing."""
    if parameters.run.source_version:
        return parameters
    return Parameters(**{**parameters.values, "source_version": fingerprint[:16]})
