"""KFP wrapper of push."""

from typing import NamedTuple

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def push(
    data_root: str,
    models_uri: str,
    gate_options: dict,
    run_id: str,
    run_name: str,
    manifest: dsl.Input[dsl.Dataset],
    training_receipt: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Artifact],
    decision_document: dsl.Input[dsl.Artifact],
    dataset_origin: dsl.Input[dsl.Artifact],
    push_receipt: dsl.Output[dsl.Artifact],
    model_card: dsl.Output[dsl.Markdown],
) -> NamedTuple("Outputs", [("model_uri", str)]):  # type: ignore[valid-type]
    """Verifies and publishes a model, and points production at it.

    Args:
      data_root: Where the trained model is.
      models_uri: Where to publish it.
      gate_options: What is rarely changed of what is published.
      run_id: Kubeflow's id of the run, for its record.
      run_name: What the run is called.
      manifest: The dataset.
      training_receipt: The trained model.
      evaluation: Its scores.
      decision_document: Why it is pushed.
      dataset_origin: Which listing and receipts the dataset comes from.
      push_receipt: What was published.
      model_card: What the model is, what it is for, and how good it is.

    Returns:
      model_uri: Where the model lies.
    """
    from components.contracts import DatasetOrigin, Decision, Evaluation, Manifest, TrainingReceipt
    from components.markdown import write_markdown
    from components.progress import step_log
    from components.push.publish import push_model, summary_line
    from components.push.settings import OPTIONS, PushSettings
    from components.registry.card.page import card_blocks
    from components.registry.layout import read_card
    from components.run_records.last_step import leave_record, run_of_pod
    from components.setting import settings_from
    from components.storage import plain_place

    with step_log("push") as log:
        settings = settings_from(PushSettings, OPTIONS, gate_options, is_shared=True)
        judged, decision = Evaluation.read(evaluation.path), Decision.read(decision_document.path)
        result = push_model(
            plain_place(data_root),
            plain_place(models_uri),
            Manifest.read(manifest.path),
            TrainingReceipt.read(training_receipt.path),
            judged,
            log,
            decision,
            settings.kinds,
            origin=DatasetOrigin.read(dataset_origin.path),
            run=run_of_pod(run_id),
            sign_key=settings.sign_key,
        )
        result.write(push_receipt.path)
        write_markdown(model_card.path, card_blocks(read_card(plain_place(models_uri), result.model_version)))
        leave_record(plain_place(data_root), run_id, run_name, judged, decision, result.model_version, log.line)
        log.summary = summary_line(result)
    return (result.model_uri,)
