"""KFP wrapper of the train stage."""

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.image(), install_kfp_package=False)
def train(
    data_root: str,
    train_config: str,
    num_workers: int,
    strategy: str,
    max_restarts: int,
    max_seconds: int,
    checkpoint_seconds: int,
    keep_checkpoints: int,
    manifest: dsl.Input[dsl.Dataset],
    receipt: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.HTML],
) -> None:
    """Trains the classifier with worker processes, or reuses an equal training."""
    from components.progress import step_log
    from components.train.local import train_locally
    from components.train.report import summary_line, summary_metrics, write_report

    with step_log("train") as log:
        training = train_locally(
            data_root,
            train_config,
            num_workers,
            max_restarts,
            manifest.path,
            log,
            max_seconds=max_seconds,
            checkpoint_seconds=checkpoint_seconds,
            keep_checkpoints=keep_checkpoints,
            strategy=strategy,
        )
        training.write(receipt.path)
        write_report(training, report.path)
        metrics.metadata.update(summary_metrics(training))
        log.summary = summary_line(training)
