"""KFP step that a run ends with instead of push: its name says what happened, and it leaves the run's record."""

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def refused(
    reason: str,
    data_root: str,
    run_id: str,
    run_name: str,
    evaluation: dsl.Input[dsl.Artifact],
    decision_document: dsl.Input[dsl.Artifact],
) -> None:
    """Says why no model was pushed; production stays as it is.

    Args:
      reason: The gate's.
      data_root: Where the run's record goes.
      run_id: Kubeflow's id of the run.
      run_name: What the run is called.
      evaluation: The scores of the refused model.
      decision_document: Why it was refused.
    """
    from components.contracts import Decision, Evaluation
    from components.progress import step_log
    from components.run_records.last_step import leave_record
    from components.storage import plain_place

    with step_log("refused") as log:
        judged, decision = Evaluation.read(evaluation.path), Decision.read(decision_document.path)
        leave_record(plain_place(data_root), run_id, run_name, judged, decision, None, log.line)
        log.summary = reason
