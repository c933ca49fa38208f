"""KFP wrapper of the train step."""

from kfp import dsl

from components import environment

# What a run says of its workers' pods. Its volumes, and what is set for this cluster, are for the step, too.
PASSED_THROUGH = [
    dsl.TaskConfigField.RESOURCES,
    dsl.TaskConfigField.KUBERNETES_NODE_SELECTOR,
    dsl.TaskConfigField.KUBERNETES_TOLERATIONS,
    dsl.TaskConfigPassthrough(dsl.TaskConfigField.KUBERNETES_VOLUMES, apply_to_task=True),
    dsl.TaskConfigPassthrough(dsl.TaskConfigField.ENV, apply_to_task=True),
]


@dsl.component(
    base_image=environment.container_image(), install_kfp_package=False, task_config_passthroughs=PASSED_THROUGH
)
def train(
    data_root: str,
    train_backbone: str,
    train_image_size_px: int,
    train_epochs: int,
    train_global_batch_size: int,
    train_config: dict,
    train_num_workers: int,
    train_options: dict,
    train_pool: dict,
    task_config: dsl.TaskConfig,
    manifest: dsl.Input[dsl.Dataset],
    training_receipt: dsl.Output[dsl.Model],
    training_metrics: dsl.Output[dsl.Metrics],
    training_report: dsl.Output[dsl.HTML],
) -> None:
    """Trains the classifier with workers in processes here or in pods of their own, or reuses an equal training.

    Args:
      data_root: Where the shards are, and where to keep checkpoints.
      train_backbone: Network between the pixels and the classifier.
      train_image_size_px: Side length of the model's input, in pixels; 0 takes the usual size.
      train_epochs: Number of epochs.
      train_global_batch_size: Tiles per step, over all workers.
      train_config: Tuning of the model; overrides the four above.
      train_num_workers: Number of worker processes that train together.
      train_options: What is rarely changed of how training runs.
      train_pool: Where the workers run on a cluster.
      task_config: What Kubeflow passes through to the workers: volumes and environment.
      manifest: The dataset.
      training_receipt: The trained model: where it lies, its settings and epochs.
      training_metrics: The best epoch, and the speed.
      training_report: Learning curves, speed, settings.
    """
    from components.contracts import Manifest
    from components.progress import step_log
    from components.setting import settings_from
    from components.storage import plain_place
    from components.train.report import summary_line, summary_metrics, write_report
    from components.train.settings.config import TrainConfig
    from components.train.settings.node_pools import OBJECT, PoolSettings
    from components.train.settings.train_settings import OPTIONS, TrainSettings
    from components.train.training import run_training

    with step_log("train") as log:
        config = TrainConfig.from_object(
            train_config,
            train_backbone=train_backbone,
            train_image_size_px=train_image_size_px,
            train_epochs=train_epochs,
            train_global_batch_size=train_global_batch_size,
        )
        settings = settings_from(TrainSettings, OPTIONS, train_options, config=config, num_workers=train_num_workers)
        pool = settings_from(PoolSettings, OBJECT, train_pool)
        training = run_training(settings, plain_place(data_root), manifest.path, log, pool, task_config)
        training.write(training_receipt.path)
        write_report(training, training_report.path, Manifest.read(manifest.path).layout)
        training_metrics.metadata.update(summary_metrics(training))
        log.summary = summary_line(training)
