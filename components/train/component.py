"""KFP wrapper of the train step."""

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
    from components.contracts import Manifest
    from components.progress import step_log
    from components.storage import plain_place
    from components.train.report import summary_line, summary_metrics, write_report
    from components.train.settings.config import TrainConfig
    from components.train.settings.node_pools import PoolSettings
    from components.train.settings.train_settings import TrainSettings
    from components.train.training import run_training

    with step_log("train") as log:
        settings = TrainSettings(
            config=TrainConfig.from_json(train_config),
            num_workers=num_workers,
            strategy=strategy,
            max_restarts=max_restarts,
            max_seconds=max_seconds,
            checkpoint_seconds=checkpoint_seconds,
            keep_checkpoints=keep_checkpoints,
        )
        pool = PoolSettings(profile=profile, cpu=cpu, memory=memory, shared_memory=shared_memory)
        training = run_training(settings, plain_place(data_root), manifest.path, log, pool, task_config)
        training.write(receipt.path)
        write_report(training, report.path, Manifest.read(manifest.path).layout)
        metrics.metadata.update(summary_metrics(training))
        log.summary = summary_line(training)
