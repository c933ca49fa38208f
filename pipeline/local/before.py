"""What is checked before a run on this machine starts: that it finds room, and what a look at the source tells."""

from pathlib import Path

from components import environment, storage
from components.cost.prices import read_prices
from components.errors import SettingsError
from components.places import check_access, require_writable
from components.train.settings.tuning.network import IMAGENET_WEIGHTS
from pipeline.first_look import check_image_size
from pipeline.parameters import Parameters


def check_before_run(parameters: Parameters, runs_dir: Path) -> None:
    """Refuses a run of which can be known at once that it will fail.

    Raises:
      SettingsError: if a place cannot be written to, the price file cannot be used, or the training's settings do not
        fit the source.
      DataError: if a place is full, or there is no source.
      UnreachableError: if a bucket does not answer.
    """
    require_writable("runs_dir", runs_dir)
    read_prices()
    require_writable("TMPDIR", Path(environment.temporary_folder()), make=False)
    run, config = parameters.run, parameters.train.config
    check_access(run.data_root, run.models_uri, run.shard_reference_manifest)
    if config.weights not in ("", IMAGENET_WEIGHTS) and not storage.exists(config.weights):
        raise SettingsError(f"weights: no such file {config.weights!r}")
    check_image_size(parameters)
