"""KFP wrapper of push."""

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def push(
    data_root: str,
    models_uri: str,
    manifest: dsl.Input[dsl.Dataset],
    receipt: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Artifact],
    decision: dsl.Input[dsl.Artifact],
    pushed: dsl.Output[dsl.Artifact],
) -> str:
    """Verifies and publishes a model, and points production at it; returns its URI."""
    from components.contracts import Decision, Evaluation, Manifest, TrainingReceipt
    from components.progress import step_log
    from components.push.publish import push_model, summary_line
    from components.storage import plain_place

    with step_log("push") as log:
        result = push_model(
            plain_place(data_root),
            plain_place(models_uri),
            Manifest.read(manifest.path),
            TrainingReceipt.read(receipt.path),
            Evaluation.read(evaluation.path),
            log,
            Decision.read(decision.path),
        )
        result.write(pushed.path)
        log.summary = summary_line(result)
    return result.model_uri
