"""The sweep pipeline: one dataset, rungs of parallel trials, then the training pipeline with the best of them."""

from collections.abc import Callable
from typing import Any

from kfp import dsl

from components.sweep.component import choose, keep, trial
from components.sweep.settings import MOST_RUNGS, OPTIONS, SEARCH
from pipeline import pod_settings
from pipeline.dag import Form, dataset_steps, form_docstring, form_signature, judging_steps, train_step
from pipeline.form import CLAIM
from pipeline.steps.check import check
from pipeline.steps.propose import propose
from pipeline.sweep_form import sweep_fields

SWEEP_NAME = "agrivision-sweep"
SWEEP_DESCRIPTION = "Tries settings of training on one dataset, and judges and pushes the best"
# Trials that train at the same time on a cluster, each with workers of its own. Kubeflow fixes it when it compiles.
PARALLEL_TRIALS = 4
_LIGHT = ("100m", "256Mi", "4Gi")


def sweep_pipeline(train: Callable[..., Any], volume: bool = False, parallel_trials: int = PARALLEL_TRIALS) -> Any:
    """Returns the KFP pipeline; for `train` and `volume`, see dag.py.

    A loop for each rung that a sweep may have is unrolled. In those that it does not have, the best trial is found
    again: see halving.ask_rung.

    No step of the sweep itself is cached: a trial keeps state of its own, and finds what an earlier run has trained.

    Args:
      parallel_trials: How many train at the same time; kfp.local heeds 1, and takes 2 for all larger numbers.
    """

    def agrivision_sweep(*values: Any) -> None:
        form = dict(zip(signature.parameters, values, strict=True))
        own = (SEARCH, OPTIONS)
        first = check(**{name: value for name, value in form.items() if name not in (CLAIM, *own)}).set_caching_options(
            False
        )
        proposed = propose(
            **{name: value for name, value in form.items() if name == "data_options" or name.startswith("train_")},
            **{name: form[name] for name in own},
        ).set_caching_options(False)
        proposed.after(first)
        data = dataset_steps(form, first)
        data[0].after(proposed)  # a search that cannot be proposed ends the sweep before a tile is read
        dataset = data[-1]
        manifest = dataset.outputs["manifest"]
        searching, chosen = _search_steps(form, proposed, manifest, parallel_trials)
        model = train_step(train, form, chosen.outputs["Output"], manifest)
        judged = judging_steps(form, dataset, model.outputs["training_receipt"])
        for step in (first, proposed):
            pod_settings.ask_for(step, *_LIGHT)
        for step in (first, proposed, *data, *searching, model, *judged):
            pod_settings.restrict(step)
            if volume:
                pod_settings.mount(step, form[CLAIM])

    shown = sweep_fields(volume)
    signature = form_signature(shown)
    agrivision_sweep.__signature__ = signature  # type: ignore[attr-defined]
    agrivision_sweep.__doc__ = form_docstring(SWEEP_DESCRIPTION, shown)
    return dsl.pipeline(agrivision_sweep, name=SWEEP_NAME, description=SWEEP_DESCRIPTION)


def _search_steps(form: Form, proposed: Any, manifest: Any, parallel_trials: int) -> tuple[list[Any], Any]:
    """Adds the rungs and the choice; returns all steps, and the one that chooses."""
    asked, sweep, steps = proposed.outputs["Output"], proposed.outputs["sweep"], []
    for rung in range(1, MOST_RUNGS + 1):
        with dsl.ParallelFor(asked, name=f"rung-{rung}", parallelism=parallel_trials) as entry:
            training = trial(
                entry=entry,
                **{name: form[name] for name in ("data_root", "train_num_workers", "train_options", "train_pool")},
                sweep=sweep,
                manifest=manifest,
            ).set_caching_options(False)
        # It only waits, as train does.
        pod_settings.read_cluster_settings(training)
        results = dsl.Collected(training.outputs["trial_result"])
        if rung < MOST_RUNGS:
            after = keep(rung=rung, sweep=sweep, trial_results=results).set_caching_options(False)
            asked, sweep = after.outputs["Output"], after.outputs["kept"]
        else:
            after = choose(sweep=sweep, trial_results=results).set_caching_options(False)
        pod_settings.ask_for(after, *_LIGHT)
        steps += [training, after]
    return steps, after
