"""KFP wrappers of the study: a step that begins it, one for each experiment, and one that joins what they found."""

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def begin_study(preset: str, study_parts: dsl.Output[dsl.Dataset]) -> None:
    """Refuses an unknown preset before anything is measured.

    Args:
      preset: Size of the study.
      study_parts: A study of which nothing has been run.
    """
    from components.progress import step_log
    from components.study.running.steps import begin_step

    with step_log("study") as log:
        log.summary = begin_step(preset, study_parts.path)


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def experiment(name: str, data_root: str, before: dsl.Input[dsl.Dataset], study_parts: dsl.Output[dsl.Dataset]) -> None:
    """Runs one experiment of the study, after those before it.

    Args:
      name: Of the experiment.
      data_root: Where its findings are kept between runs.
      before: What the experiments before it found.
      study_parts: The same, and what this one found.
    """
    from components.progress import step_log
    from components.storage import plain_place
    from components.study.running.steps import run_step

    with step_log(f"experiment {name}") as log:
        log.summary = run_step(name, plain_place(data_root), before.path, study_parts.path, log)


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def join_study(
    study_parts: dsl.Input[dsl.Dataset],
    study_result: dsl.Output[dsl.Dataset],
    study_page: dsl.Output[dsl.HTML],
    study_in_short: dsl.Output[dsl.Markdown],
) -> None:
    """Joins what the experiments found to a verdict on each claim.

    Args:
      study_parts: What all experiments found.
      study_result: All that was measured, with the verdicts.
      study_page: The same as a page.
      study_in_short: The verdicts as a table.
    """
    from components.progress import step_log
    from components.study.running.steps import join_step

    with step_log("study") as log:
        log.summary = join_step(study_parts.path, study_result.path, study_page.path, study_in_short.path)
