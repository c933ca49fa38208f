"""What the check of a run does: it refuses what cannot succeed, and says in Markdown what the run will do."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from components.errors import SettingsError
from components.markdown import bullets, code, plain, write_markdown
from components.push.exports.kinds import require_modules
from components.train.settings.node_pools import Pool
from components.train.settings.tuning.network import USUAL_IMAGE_SIZE_PX
from pipeline.first_look import check_image_size
from pipeline.form import CONFIG, fields, flat_values, form_values
from pipeline.parameters import BUCKET_PLACES, Parameters
from pipeline.steps.wrong_values import what_is_wrong


def check_form(given: Mapping[str, Any], path: str, *, looks: bool = False) -> str:
    """Checks the fields of a run form; returns a line about the run, and writes the plan to `path`.

    If the run cannot succeed, it writes the reason there. A run on this machine keeps that; of a failed step, Kubeflow
    keeps the log only.

    Args:
      looks: Whether to look at a few tiles of the source, too.

    Raises:
      SettingsError: for a value, or a combination, with which no run can succeed; says where the form has it.
    """
    try:
        if wrong := what_is_wrong(given):
            raise SettingsError(wrong)
        parameters = Parameters(**flat_values(given))
        if looks:
            check_image_size(parameters)
            require_modules(parameters.push.kinds)
    except SettingsError as error:
        write_markdown(path, ["# This run cannot succeed", f"{plain(str(error))}."])
        raise
    write_markdown(path, plan_blocks(parameters))
    config = parameters.train.config
    return (
        f"{config.backbone} for {config.epochs} epochs by {parameters.train.num_workers} workers on "
        f"{parameters.pool.profile}"
    )


def plan_blocks(parameters: Parameters) -> Iterator[str]:
    """Yields the blocks of the plan."""
    run, data, train = parameters.run, parameters.ingest, parameters.train
    config = train.config
    size = f"{config.image_size_px} px" if config.image_size_px else f"{USUAL_IMAGE_SIZE_PX} px, or the tiles' own size"
    yield "# What this run does"
    yield bullets(
        [
            ("Tiles from", code(run.source_uri)),
            ("Dataset and checkpoints in", code(run.data_root)),
            ("Models in", code(run.models_uri)),
        ]
    )
    pool = _pool(parameters.pool.profile, parameters.pool.pool())
    yield bullets(
        [
            (
                "Split",
                f"{data.val_percent} % val and {data.test_percent} % test, if the source has no split of its own",
            ),
            ("Shards", f"about {data.shard_size_mb} MB each, written by {data.num_partitions} tasks"),
            (
                "Training",
                f"{code(config.backbone)}, {config.epochs:,} epochs of {config.global_batch_size} tiles a step",
            ),
            ("Input", size),
            ("Workers", f"{train.num_workers} ({code(train.strategy)}), on {pool}"),
            ("Pushed if", f"macro F1 is at least {parameters.gate.min_macro_f1:g}, and above production's"),
        ]
    )
    if changed := _changed(parameters):
        yield f"**Not the default**: {', '.join(map(code, changed))}."
    yield (
        "**Done before?** Kubeflow takes ingest, shards and dataset from an earlier run with the same source, version "
        f"and options, unless files of it are gone; change {code('source_version')} to have the source listed again. A "
        "training of the same dataset and settings is found and not repeated. Evaluation and gate always run."
    )


def _pool(profile: str, pool: Pool) -> str:
    accelerators = f", {pool.accelerator_count} x {pool.accelerator_type}" if pool.accelerator_count else ""
    return f"{code(profile)}: {plain(f'{pool.cpu} CPU, {pool.memory}{accelerators}')} each"


def _changed(parameters: Parameters) -> list[str]:
    """Returns the fields that have another value than the form offers, and the keys of its objects."""
    changed = []
    for name, value in form_values(parameters).items():
        default = fields(volume=True)[name].default
        if isinstance(value, dict) and name != CONFIG:
            changed += [f"{name}.{key}={value[key]}" for key in value if value[key] != default[key]]
        elif value != default and name not in BUCKET_PLACES:
            changed.append(f"{name}={json.dumps(value) if name == CONFIG else value}")
    return changed
