"""KFP wrapper of the train stage."""

from kfp import dsl

from components import environment

# What a run says of its workers' pods. Its volumes, and what is set for this cluster, are for the step, too.
_PASSED_THROUGH = [
    dsl.TaskConfigField.RESOURCES,
    dsl.TaskConfigField.KUBERNETES_NODE_SELECTOR,
    dsl.TaskConfigField.KUBERNETES_TOLERATIONS,
    dsl.TaskConfigPassthrough(dsl.TaskConfigField.KUBERNETES_VOLUMES, apply_to_task=True),
    dsl.TaskConfigPassthrough(dsl.TaskConfigField.ENV, apply_to_task=True),
]


@dsl.component(
    base_image=environment.container_image(), install_kfp_package=False, task_config_passthroughs=_PASSED_THROUGH
)
def train(
    data_root: str,
    train_config: str,
    num_workers: int,
    strategy: str,
    max_restarts: int,
    max_seconds: int,
    checkpoint_seconds: int,
    keep_checkpoints: int,
    profile: str,
    cpu: str,
    memory: str,
    shared_memory: str,
    task_config: dsl.TaskConfig,
    manifest: dsl.Input[dsl.Dataset],
    receipt: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.HTML],
) -> None:
    """Trains the classifier with workers in processes here or in pods of their own, or reuses an equal training."""
    from components.progress import step_log
    from components.train.report import summary_line, summary_metrics, write_report
    from components.train.training import Settings, run_training

    with step_log("train") as log:
        settings = Settings(
            data_root=data_root,
            train_config=train_config,
            num_workers=num_workers,
            max_restarts=max_restarts,
            manifest_path=manifest.path,
            max_seconds=max_seconds,
            checkpoint_seconds=checkpoint_seconds,
            keep_checkpoints=keep_checkpoints,
            strategy=strategy,
        )
        training = run_training(settings, task_config, profile, cpu, memory, shared_memory, log)
        training.write(receipt.path)
        write_report(training, report.path)
        metrics.metadata.update(summary_metrics(training))
        log.summary = summary_line(training)
