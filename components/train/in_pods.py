"""The train stage on a cluster, with a pod for each worker; the step's own pod only starts them and watches."""

import dataclasses

from components import environment
from components.contracts import TrainingReceipt
from components.progress import StepLog
from components.train.launch import Kubernetes
from components.train.launch_pods import WorkerPods
from components.train.profiles import check_pool
from components.train.task_settings import TaskSettings, check_reach
from components.train.training import Settings, train
from components.train.waits import Limits

_STEP_CONTAINER = "main"


def train_in_pods(
    settings: Settings, task: TaskSettings, log: StepLog, limits: Limits | None = None
) -> TrainingReceipt:
    """Trains with worker pods, or returns the receipt of an equal training; see training.train.

    Raises:
      SettingsError: if the pods could not train, or the account of this step may not start them.
      UnreachableError: if the API server does not answer for minutes.
    """
    check_pool(task.pool, settings.num_workers)
    check_reach(settings.data_root, task)
    api = Kubernetes()
    cluster = environment.worker_settings()
    step_pod, step_uid = environment.kfp_pod()
    namespace = cluster.namespace or api.namespace
    # What one namespace's pods are given by reference, another's do not have.
    if namespace != api.namespace:
        task = dataclasses.replace(task, env=tuple(each for each in task.env if "value" in each))
    cluster = dataclasses.replace(
        cluster, namespace=namespace, image=cluster.image or _own_image(api, step_pod) or environment.image()
    )
    owner = (step_pod, step_uid) if step_uid and namespace == api.namespace else None
    return train(settings, WorkerPods(api, task, cluster, settings.num_workers, owner, limits), log)


def _own_image(api: Kubernetes, pod: str) -> str:
    """Returns the image of this step; empty outside a cluster."""
    if not pod:
        return ""
    containers = api.get("pod", api.namespace, pod).body["spec"]["containers"]
    return next((str(each["image"]) for each in containers if each["name"] == _STEP_CONTAINER), "")
