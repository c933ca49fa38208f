"""KFP wrapper of the evaluate step."""

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def evaluate(
    data_root: str,
    models_uri: str,
    gate_options: dict,
    manifest: dsl.Input[dsl.Dataset],
    training_receipt: dsl.Input[dsl.Model],
    evaluation: dsl.Output[dsl.Artifact],
    evaluation_metrics: dsl.Output[dsl.Metrics],
    confusion_columns_true_rows_predicted: dsl.Output[dsl.ClassificationMetrics],
    roc_micro_averaged: dsl.Output[dsl.ClassificationMetrics],
    evaluation_report: dsl.Output[dsl.HTML],
) -> None:
    """Scores a trained model, and the one in production, on the test split.

    Args:
      data_root: Where the shards and the trained model are.
      models_uri: Where the model in production is.
      gate_options: What is rarely changed of how a model is judged.
      manifest: The dataset.
      training_receipt: The trained model.
      evaluation: All scores of both models.
      evaluation_metrics: Its totals.
      confusion_columns_true_rows_predicted: Tiles by true and predicted class, as the page draws it.
      roc_micro_averaged: True against false positive rate, over all classes together.
      evaluation_report: Scores by class, confusion matrix, curves, tiles that went right and wrong.
    """
    from pathlib import Path

    from components.contracts import Manifest, TrainingReceipt
    from components.evaluate.evaluation import evaluate_training
    from components.evaluate.settings import OPTIONS, EvaluateSettings
    from components.progress import step_log
    from components.setting import settings_from
    from components.storage import plain_place

    with step_log("evaluate") as log:
        outcome = evaluate_training(
            plain_place(data_root),
            plain_place(models_uri),
            Manifest.read(manifest.path),
            TrainingReceipt.read(training_receipt.path),
            Path(evaluation_report.path),
            log,
            settings_from(EvaluateSettings, OPTIONS, gate_options, is_shared=True),
        )
        outcome.evaluation.write(evaluation.path)
        for name, value in outcome.metrics.items():
            evaluation_metrics.log_metric(name, value)
        confusion = outcome.confusion
        confusion_columns_true_rows_predicted.log_confusion_matrix(confusion.categories, confusion.matrix)
        roc = outcome.roc
        roc_micro_averaged.log_roc_curve(roc.false_positive_rate, roc.true_positive_rate, roc.threshold)
        log.summary = outcome.summary
