"""KFP wrapper of the evaluate step."""

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def evaluate(
    data_root: str,
    models_uri: str,
    manifest: dsl.Input[dsl.Dataset],
    receipt: dsl.Input[dsl.Model],
    evaluation: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    classification: dsl.Output[dsl.ClassificationMetrics],
    report: dsl.Output[dsl.HTML],
) -> None:
    """Scores a trained model, and the one in production, on the test split."""
    from pathlib import Path

    from components.contracts import Manifest, TrainingReceipt
    from components.evaluate.evaluation import evaluate_training
    from components.progress import step_log
    from components.storage import plain_place

    with step_log("evaluate") as log:
        outcome = evaluate_training(
            plain_place(data_root),
            plain_place(models_uri),
            Manifest.read(manifest.path),
            TrainingReceipt.read(receipt.path),
            Path(report.path),
            log,
        )
        outcome.evaluation.write(evaluation.path)
        for name, value in outcome.metrics.items():
            metrics.log_metric(name, value)
        classification.log_confusion_matrix(outcome.confusion.categories, outcome.confusion.matrix)
        roc = outcome.roc
        classification.log_roc_curve(roc.false_positive_rate, roc.true_positive_rate, roc.threshold)
        log.summary = outcome.summary
