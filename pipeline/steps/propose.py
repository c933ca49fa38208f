"""KFP step that begins a sweep: it proposes the trials, and refuses what cannot work before any data is read."""

from typing import List  # noqa: UP035  (kfp reads the annotation List[...], not list[...])

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def propose(
    data_options: dict,
    train_backbone: str,
    train_image_size_px: int,
    train_epochs: int,
    train_global_batch_size: int,
    train_config: dict,
    train_num_workers: int,
    train_options: dict,
    train_pool: dict,
    sweep_search: dict,
    sweep_options: dict,
    sweep: dsl.Output[dsl.Dataset],
    what_this_sweep_does: dsl.Output[dsl.Markdown],
) -> List[str]:  # noqa: UP006
    """Proposes the trials of a sweep. The meanings of the arguments are those of the run form.

    Returns:
      The entries of the first rung. This output has no name of its own: kfp.local runs a loop over no other.
    """
    from components.progress import step_log
    from pipeline.steps.proposing import propose_trials

    with step_log("propose") as log:
        given = {
            "data_options": data_options,
            "train_backbone": train_backbone,
            "train_image_size_px": train_image_size_px,
            "train_epochs": train_epochs,
            "train_global_batch_size": train_global_batch_size,
            "train_config": train_config,
            "train_num_workers": train_num_workers,
            "train_options": train_options,
            "train_pool": train_pool,
        }
        found = propose_trials(given, sweep_search, sweep_options, sweep.path, what_this_sweep_does.path)
        log.summary = found.line
        return found.entries
