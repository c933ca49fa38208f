"""The scoring pipeline: plan, ask about windows in parallel, and make the maps."""

import inspect
from collections.abc import Mapping
from typing import Any

from kfp import dsl

from components.maps.component import maps, plan_windows, score_windows
from components.maps.settings import MapSettings, ScoreSettings
from components.setting import settings_of
from pipeline import pod_settings
from pipeline.form import CLAIM, FormField
from pipeline.parameters import VOLUME_CLAIM, VOLUME_PATH

SCORING_NAME = "agrivision-scoring"
_DESCRIPTION = "Maps of whole fields by a pushed model"
# What the run form shows; no bucket can have such a name.
_ON_VOLUME = {"source_uri": "source", "model_uri": "models", "target_uri": "maps"}
_IN_BUCKET = {"source_uri": "tiles", "model_uri": "models", "target_uri": "maps"}


def scoring_fields(volume: bool) -> Mapping[str, FormField]:
    """Returns the fields of the run form, by name; with a claim to mount, or with places in a bucket."""
    places = _ON_VOLUME if volume else _IN_BUCKET
    root = VOLUME_PATH if volume else "gs://<bucket>"
    shown = {}
    for settings_type in (MapSettings, ScoreSettings):
        for field, known in settings_of(settings_type):
            default = f"{root}/{places[field.name]}" if field.name in places else field.default
            shown[field.name] = FormField(field.type, default, known.help)
    if volume:
        shown[CLAIM] = FormField(str, VOLUME_CLAIM, "Volume claim that every step mounts at /mnt/agrivision.")
    return shown


def scoring_pipeline(volume: bool = False) -> Any:
    """Returns the KFP pipeline; for `volume`, see dag.py.

    No step is cached: what it does depends on a source and a model that Kubeflow does not look into, and all of them
    find in the target what an earlier run has done.
    """

    def agrivision_scoring(*values: Any) -> None:
        form = dict(zip(shown, values, strict=True))
        planned = plan_windows(**{name: value for name, value in form.items() if name != CLAIM}).set_caching_options(
            False
        )
        document = planned.outputs["maps_plan"]
        with dsl.ParallelFor(planned.outputs["Output"], name="map-partitions") as partition:
            scored = score_windows(partition=partition, maps_plan=document).set_caching_options(False)
        made = maps(maps_plan=document, shares_done=dsl.Collected(scored.outputs["share_done"])).set_caching_options(
            False
        )
        steps = (planned, scored, made)
        for step in steps:
            pod_settings.restrict(step)
            if volume:
                pod_settings.mount(step, form[CLAIM])
        pod_settings.ask_for(planned, "100m", "256Mi", "4Gi")
        pod_settings.ask_for(scored, "250m", "1Gi", "8Gi")  # it loads TensorFlow
        pod_settings.ask_for(made, "250m", "1Gi", "8Gi")

    shown = scoring_fields(volume)
    position = inspect.Parameter.POSITIONAL_OR_KEYWORD
    agrivision_scoring.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, position, default=each.default, annotation=each.kind) for name, each in shown.items()]
    )
    meanings = "\n".join(f"  {name}: {each.help}" for name, each in shown.items())
    agrivision_scoring.__doc__ = f"{_DESCRIPTION}.\n\nArgs:\n{meanings}\n"
    return dsl.pipeline(agrivision_scoring, name=SCORING_NAME, description=_DESCRIPTION)
