"""KFP wrappers of the steps of a sweep."""

from typing import List  # noqa: UP035  (kfp reads the annotation List[...], not list[...])

from kfp import dsl

from components import environment
from components.train.component import PASSED_THROUGH


@dsl.component(
    base_image=environment.container_image(), install_kfp_package=False, task_config_passthroughs=PASSED_THROUGH
)
def trial(
    entry: str,
    data_root: str,
    train_num_workers: int,
    train_options: dict,
    train_pool: dict,
    task_config: dsl.TaskConfig,
    sweep: dsl.Input[dsl.Dataset],
    manifest: dsl.Input[dsl.Dataset],
    trial_result: dsl.Output[dsl.Dataset],
    trial_metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Trains one trial with all seeds, as the train step does; a trial that fails does not end the sweep.

    Args:
      entry: Which trial, and in which rung.
      data_root: Where the shards are, and where to keep checkpoints.
      train_num_workers: Number of worker processes that train together.
      train_options: What is rarely changed of how training runs.
      train_pool: Where the workers run on a cluster.
      task_config: What Kubeflow passes through to the workers: volumes and environment.
      sweep: All trials, with their values.
      manifest: The dataset.
      trial_result: The scores on val, or why it failed.
      trial_metrics: The same as numbers to compare.
    """
    from components.progress import step_log
    from components.setting import settings_from
    from components.storage import plain_place
    from components.sweep.entries import read_entry
    from components.sweep.steps import run_entry
    from components.train.settings.node_pools import OBJECT, PoolSettings
    from components.train.settings.train_settings import OPTIONS, TrainSettings

    with step_log(f"trial {read_entry(entry)[0]}") as log:
        settings = settings_from(TrainSettings, OPTIONS, train_options, num_workers=train_num_workers)
        pool = settings_from(PoolSettings, OBJECT, train_pool)
        result, metrics = run_entry(
            entry, sweep.path, settings, plain_place(data_root), manifest.path, log, pool, task_config
        )
        result.write(trial_result.path)
        trial_metrics.metadata.update(metrics)


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def keep(
    rung: int,
    sweep: dsl.Input[dsl.Dataset],
    trial_results: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
    kept: dsl.Output[dsl.Dataset],
) -> List[str]:  # noqa: UP006
    """Keeps the best trials of a rung for the next one, which trains them for longer.

    Args:
      rung: The one that was trained, from 1.
      sweep: All trials, and the results of the rungs before.
      trial_results: Those of this rung.
      kept: The sweep with these results.

    Returns:
      The entries of the next rung. This output has no name of its own: kfp.local runs a loop over no other.
    """
    from components.progress import step_log
    from components.sweep.steps import keep_best

    with step_log("keep") as log:
        return keep_best(rung, sweep.path, [each.path for each in trial_results], kept.path, log)


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def choose(
    sweep: dsl.Input[dsl.Dataset],
    trial_results: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
    sweep_result: dsl.Output[dsl.Dataset],
    sweep_report: dsl.Output[dsl.HTML],
    sweep_in_short: dsl.Output[dsl.Markdown],
    sweep_metrics: dsl.Output[dsl.Metrics],
) -> dict:
    """Chooses the best trial by its scores on val, and of its seeds the best.

    Args:
      sweep: All trials, and the results of the rungs before the last.
      trial_results: Those of the last rung.
      sweep_result: All trials with all results.
      sweep_report: The same as a page.
      sweep_in_short: The same in a few lines.
      sweep_metrics: The best score.

    Returns:
      The train_config of the best training, which the train step finds and does not repeat.
    """
    from components.progress import step_log
    from components.sweep.steps import choose_best

    with step_log("choose") as log:
        results = [each.path for each in trial_results]
        config, metrics = choose_best(
            sweep.path, results, sweep_result.path, sweep_report.path, sweep_in_short.path, log
        )
        sweep_metrics.metadata.update(metrics)
        return config
