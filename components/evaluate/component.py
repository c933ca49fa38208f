"""KFP wrappers of evaluate and gate."""

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.image(), install_kfp_package=False)
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

    with step_log("evaluate") as log:
        outcome = evaluate_training(
            data_root,
            models_uri,
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


@dsl.component(base_image=environment.image(), install_kfp_package=False)
def gate(
    data_root: str,
    min_macro_f1: float,
    evaluation: dsl.Input[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
) -> str:
    """Decides whether a model may be pushed: "push" or "refuse", and why."""
    from components.contracts import Evaluation
    from components.evaluate.gate import decide_push
    from components.progress import step_log

    with step_log("gate") as log:
        result = decide_push(data_root, min_macro_f1, Evaluation.read(evaluation.path))
        result.write(decision.path)
        log.summary = result.reason
    return result.decision
