"""The study pipeline: one experiment after the other, and then the page with a verdict on each claim."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from kfp import dsl

from components.study.component import begin_study, experiment, join_study
from components.study.running.presets import PRESETS
from components.study.running.registry import known_experiments
from pipeline import pod_settings
from pipeline.form import CLAIM, FormField
from pipeline.parameters import VOLUME_CLAIM, VOLUME_PATH

STUDY_NAME = "agrivision-study"
_DESCRIPTION = "Measures what formats, memory, parallel SGD, batch size and scale do to training"


def study_fields(volume: bool) -> Mapping[str, FormField]:
    """Returns the fields of the run form, by name; with a claim to mount, or with places in a bucket."""
    root = VOLUME_PATH if volume else "gs://<bucket>"
    shown = {
        "data_root": FormField(str, f"{root}/data", "Folder or gs:// URI where findings are kept between runs."),
        "preset": FormField(str, "ci", f"Size of the study: {', '.join(PRESETS)}."),
        "experiment_cpu": FormField(
            str, "2", "Cores that an experiment asks for; two processes share one if it is less than 2."
        ),
        "experiment_memory": FormField(str, "4Gi", "Memory that an experiment has for itself; it may use more."),
    }
    if volume:
        shown[CLAIM] = FormField(str, VOLUME_CLAIM, "Volume claim that every step mounts at /mnt/agrivision.")
    return shown


def study_pipeline(volume: bool = False, names: Sequence[str] | None = None) -> Any:
    """Returns the KFP pipeline; for `volume`, see dag.py.

    Each experiment takes what those before it found, so that one runs at a time. Two on one node would slow each other,
    and on two nodes they would be measured on different machines, of which a page describes one.

    No step is cached: what it measures is not in its inputs. What an earlier run has found is kept below data_root.

    Args:
      names: Of the experiments; None for all that this version has.
    """

    def agrivision_study(*values: Any) -> None:
        form = dict(zip(shown, values, strict=True))
        steps = [begin_study(preset=form["preset"]).set_caching_options(False)]
        pod_settings.ask_for(steps[0], "100m", "256Mi", "4Gi")
        for name in names or [each.name for each in known_experiments()]:
            step = experiment(
                name=name, data_root=form["data_root"], before=steps[-1].outputs["study_parts"]
            ).set_caching_options(False)
            step.set_display_name(f"experiment {name}")
            pod_settings.ask_for(step, form["experiment_cpu"], form["experiment_memory"], "16Gi")
            steps.append(step)
        joined = join_study(study_parts=steps[-1].outputs["study_parts"]).set_caching_options(False)
        pod_settings.ask_for(joined, "100m", "256Mi", "4Gi")
        for step in (*steps, joined):
            pod_settings.restrict(step)
            if volume:
                pod_settings.mount(step, form[CLAIM])

    shown = study_fields(volume)
    position = inspect.Parameter.POSITIONAL_OR_KEYWORD
    agrivision_study.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, position, default=each.default, annotation=each.kind) for name, each in shown.items()]
    )
    meanings = "\n".join(f"  {name}: {each.help}" for name, each in shown.items())
    agrivision_study.__doc__ = f"{_DESCRIPTION}.\n\nArgs:\n{meanings}\n"
    return dsl.pipeline(agrivision_study, name=STUDY_NAME, description=_DESCRIPTION)
