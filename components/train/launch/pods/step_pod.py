"""The train step on a cluster, with one pod per worker; the step's own pod only starts and watches them."""

import dataclasses

from components import environment
from components.train.launch.pods.api import Kubernetes
from components.train.launch.pods.launcher import WorkerPods
from components.train.launch.pods.pod_waits import Limits
from components.train.launch.pods.task_config import TaskSettings, check_reach
from components.train.launch.pods.whereabouts import PodWhereabouts
from components.train.settings.node_pools import check_pool

_STEP_CONTAINER = "main"


def worker_pods(task: TaskSettings, num_workers: int, data_root: str, limits: Limits | None = None) -> WorkerPods:
    """Returns the launcher of the workers' pods, configured by this step's pod and the cluster's administrator.

    Raises:
      SettingsError: If the pods could not train, or this step's account may not start them.
      UnreachableError: If the API server does not answer for minutes.
    """
    check_pool(task.pool, num_workers)
    check_reach(data_root, task)
    api = Kubernetes()
    cluster = environment.worker_settings()
    step_pod, step_uid = environment.kfp_pod()
    namespace = cluster.namespace or api.namespace
    # References to secrets and config maps do not work from another namespace.
    if namespace != api.namespace:
        task = dataclasses.replace(task, env=tuple(each for each in task.env if "value" in each))
    image, image_id = (cluster.image, "") if cluster.image else _own_image(api, step_pod)
    cluster = dataclasses.replace(cluster, namespace=namespace, image=image or environment.container_image())
    owner = (step_pod, step_uid) if step_uid and namespace == api.namespace else None
    # With a kubeconfig, the workers' cluster may be another one than this pod's.
    own = None if environment.kubeconfig() else PodWhereabouts(api, (step_pod, step_uid))
    return WorkerPods(api, task, cluster, num_workers, owner, limits, own, image_id)


def _own_image(api: Kubernetes, pod: str) -> tuple[str, str]:
    """Returns this step's image, and the same by its digest as the node has it; both are empty outside a cluster."""
    if not pod:
        return "", ""
    body = api.get("pod", api.namespace, pod).body
    statuses = body.get("status", {}).get("containerStatuses") or ()
    ids = [str(each.get("imageID", "")) for each in statuses if each.get("name") == _STEP_CONTAINER]
    images = [str(each["image"]) for each in body["spec"]["containers"] if each["name"] == _STEP_CONTAINER]
    return next(iter(images), ""), next(iter(ids), "").removeprefix("docker-pullable://")
