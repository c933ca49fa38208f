"""KFP step that a run ends with instead of push: it does nothing, and its name says what happened."""

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def refused(reason: str) -> None:
    """Says why no model was pushed; production stays as it is.

    Args:
      reason: The gate's.
    """
    from components.progress import step_log

    with step_log("refused") as log:
        log.summary = reason
