"""Where a train step's workers run: in pods of their own on a cluster, in processes on a machine."""

from components.contracts import TrainingReceipt
from components.progress import StepLog
from components.train.local import LocalProcesses
from components.train.task_settings import TaskConfig, is_on_cluster, settings_of
from components.train.training import Settings, train


def run_training(
    settings: Settings,
    task: TaskConfig | None,
    profile: str,
    cpu: str,
    memory: str,
    shared_memory: str,
    log: StepLog,
) -> TrainingReceipt:
    """Trains, or returns the receipt of an equal training; for what is raised see training.train.

    Args:
      task: What Kubeflow says of the step; nothing on a machine, where there are no pods, and the others mean nothing.
      profile: One of profiles.PROFILES.
      cpu, memory, shared_memory: Kubernetes quantities, or empty for the profile's.
    """
    if task is None or not is_on_cluster(task):
        return train(settings, LocalProcesses(settings.num_workers), log)
    # Only now, because it takes a second, and on a laptop nothing needs it.
    from components.train.in_pods import train_in_pods

    return train_in_pods(settings, settings_of(task, profile, cpu, memory, shared_memory), log)
