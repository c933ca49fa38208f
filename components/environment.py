"""The environment variables that the project reads; no other file reads one.

Compile time:
  AGRIVISION_IMAGE: the container image of every step, fixed in the compiled pipeline.
  AGRIVISION_INGEST_IMAGE: the image of the steps that read the source, where that is an s3:// bucket; by default the
    image of every step.
Where an s3:// source is read, by tensorflow-io itself; in a pod from the ConfigMap `agrivision` (where it is) and the
Secret `agrivision-s3` (the keys):
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE and the other usual ways to give credentials;
    without any, requests are anonymous, which is enough for a public bucket.
  AWS_REGION: where the bucket is.
  S3_ENDPOINT: a server other than Amazon's, with http:// or https://.
  AWS_EC2_METADATA_DISABLED: true unless it is set to false, which machines on EC2 need to use their instance's role;
    anywhere else, asking for one takes most of a minute.
In a worker:
  TF_CONFIG: the cluster and this task's place in it, as TensorFlow defines it.
  JOB_COMPLETION_INDEX: which pod of its Job this is, as Kubernetes sets it.
Where training starts workers on a cluster, from the ConfigMap `agrivision`:
  AGRIVISION_WORKER_NAMESPACE: where they run; by default where the train step runs.
  AGRIVISION_WORKER_SERVICE_ACCOUNT: whose rights they have, "default" by default.
  AGRIVISION_WORKER_API: "job" or "jobset", by default a Job.
  AGRIVISION_WORKER_IMAGE: their image, by default that of the train step's pod.
  AGRIVISION_QUEUE: the LocalQueue that they wait in where Kueue admits them, by default none.
  KUBECONFIG: the cluster, as kubectl defines it; by default the one that this process runs in.
Where a run is submitted, named as kfp's own command has them:
  KFP_ENDPOINT: Kubeflow Pipelines, as `--host`.
  KFP_EXISTING_TOKEN: a bearer token for it, as `--token`; here it stands on no command line.
Where training starts:
  CUDA_VISIBLE_DEVICES: which GPUs it may use, as CUDA defines it.
  TPU_WORKER_HOSTNAMES: the hosts of the TPU slice, as GKE sets it.
In a pod:
  KFP_POD_NAME, KFP_POD_UID: set by Kubeflow Pipelines.
"""

import dataclasses
import os
from collections.abc import Mapping

# kfp.local warns about an image whose name does not contain "python".
DEFAULT_IMAGE = "localhost/agrivision-python:dev"
# What a cluster's administrator sets, in the ConfigMap `agrivision`, for the step that starts workers.
CLUSTER_SETTINGS = (
    "AGRIVISION_WORKER_NAMESPACE",
    "AGRIVISION_WORKER_SERVICE_ACCOUNT",
    "AGRIVISION_WORKER_API",
    "AGRIVISION_WORKER_IMAGE",
    "AGRIVISION_QUEUE",
)
# The same for the steps that read an s3:// source, and what they find in the Secret `agrivision-s3`.
S3_SETTINGS = ("AWS_REGION", "S3_ENDPOINT")
S3_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def container_image() -> str:
    """Returns the image that compiled steps run in."""
    return os.environ.get("AGRIVISION_IMAGE", DEFAULT_IMAGE)


def ingest_image() -> str:
    """Returns the image that the compiled steps run in that read the source."""
    return os.environ.get("AGRIVISION_INGEST_IMAGE", container_image())


def kfp_endpoint() -> str:
    """Returns the address of Kubeflow Pipelines that is submitted to unless another one is named; empty for none."""
    return os.environ.get("KFP_ENDPOINT", "")


def kfp_token() -> str:
    """Returns the bearer token for Kubeflow Pipelines; empty where it asks for none."""
    return os.environ.get("KFP_EXISTING_TOKEN", "")


def prepare_s3() -> str:
    """Sets what the S3 client needs and the user need not say; returns its endpoint, empty for Amazon's."""
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    return os.environ.get("S3_ENDPOINT", "")


def tf_config() -> str:
    """Returns the TF_CONFIG JSON text; empty for a process that is not a worker of a cluster."""
    return os.environ.get("TF_CONFIG", "")


def set_tf_config(text: str) -> None:
    """Sets TF_CONFIG, for TensorFlow, which reads it when a strategy is made."""
    os.environ["TF_CONFIG"] = text


def job_completion_index() -> int:
    """Returns which pod of its Job this is; 0 for a process that is none."""
    return int(os.environ.get("JOB_COMPLETION_INDEX", "0"))


@dataclasses.dataclass(frozen=True)
class WorkerSettings:
    """The settings of a cluster that its administrator makes; an empty one leaves it to the launcher."""

    namespace: str = ""
    service_account: str = "default"
    api: str = "job"
    image: str = ""
    queue: str = ""


def worker_settings() -> WorkerSettings:
    """Returns how workers are started on this cluster."""
    return WorkerSettings(
        namespace=os.environ.get("AGRIVISION_WORKER_NAMESPACE", ""),
        service_account=os.environ.get("AGRIVISION_WORKER_SERVICE_ACCOUNT") or "default",
        api=os.environ.get("AGRIVISION_WORKER_API") or "job",
        image=os.environ.get("AGRIVISION_WORKER_IMAGE", ""),
        queue=os.environ.get("AGRIVISION_QUEUE", ""),
    )


def kubeconfig() -> str:
    """Returns the files that name a cluster; empty for the cluster that this process runs in."""
    return os.environ.get("KUBECONFIG", "")


def kfp_pod() -> tuple[str, str]:
    """Returns name and uid of the step's own pod; empty outside a cluster."""
    return os.environ.get("KFP_POD_NAME", ""), os.environ.get("KFP_POD_UID", "")


def cuda_visible_devices() -> str | None:
    """Returns the GPUs that may be used, comma-separated; None for all of them."""
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def tpu_hosts() -> list[str]:
    """Returns the hosts of the TPU slice that this machine belongs to, as far as it is told."""
    return [host for host in os.environ.get("TPU_WORKER_HOSTNAMES", "").split(",") if host]


def child_environment(overrides: Mapping[str, str | None]) -> dict[str, str]:
    """Returns this process's environment with `overrides`, for a child process; without those that are None."""
    return {name: value for name, value in {**os.environ, **overrides}.items() if value is not None}


def quiet_tensorflow() -> None:
    """Keeps TensorFlow's start-up messages off the terminal, unless the user has asked for them.

    Of use only before TensorFlow is imported, and handed down to child processes.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
