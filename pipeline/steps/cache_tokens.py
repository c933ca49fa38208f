"""What a run's first step gives the data steps for Kubeflow's cache; see components/dataset/known_data.py."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from components.dataset import known_data
from pipeline.form import flat_values
from pipeline.parameters import Parameters


def tokens_of_form(given: Mapping[str, Any], say: Callable[[str], None]) -> tuple[str, str]:
    """Returns the tokens of the listing and of the dataset that a run with these fields asks for.

    Args:
      given: Fields of the run form, which are known to be right.
      say: Called with a line if files of an earlier run are gone.

    Raises:
      UnreachableError: if a bucket does not answer.
    """
    parameters = Parameters(**flat_values(given))
    run = parameters.run
    values = {
        "source_uri": run.source_uri,
        "source_version": run.source_version,
        "reference": run.shard_reference_manifest,
        "data": dataclasses.asdict(parameters.ingest),
    }
    return known_data.cache_tokens(run.data_root, known_data.request_of(values), say)
