"""The environment variables that the project reads; no other file reads one.

Compile time:
  AGRIVISION_IMAGE: the container image of every step, fixed in the compiled pipeline.
  AGRIVISION_INGEST_IMAGE: the image of the steps that read the source, where that is an s3:// bucket; by default the
    image of every step.
Where an s3:// source is read, by tensorflow-io itself:
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE and the other usual ways to give credentials;
    without any, requests are anonymous, which is enough for a public bucket.
  AWS_REGION: where the bucket is.
  S3_ENDPOINT: a server other than Amazon's, with http:// or https://.
  AWS_EC2_METADATA_DISABLED: true unless it is set to false, which machines on EC2 need to use their instance's role;
    anywhere else, asking for one takes most of a minute.
In a worker:
  TF_CONFIG: the cluster and this task's place in it, as TensorFlow defines it.
Where training starts:
  CUDA_VISIBLE_DEVICES: which GPUs it may use, as CUDA defines it.
  TPU_WORKER_HOSTNAMES: the hosts of the TPU slice, as GKE sets it.
In a pod:
  KFP_POD_NAME, KFP_POD_UID: set by Kubeflow Pipelines.
"""

import os
from collections.abc import Mapping

# kfp.local warns about an image whose name does not contain "python".
DEFAULT_IMAGE = "localhost/agrivision-python:dev"


def image() -> str:
    """Returns the image that compiled steps run in."""
    return os.environ.get("AGRIVISION_IMAGE", DEFAULT_IMAGE)


def ingest_image() -> str:
    """Returns the image that the compiled steps run in that read the source."""
    return os.environ.get("AGRIVISION_INGEST_IMAGE", image())


def prepare_s3() -> str:
    """Sets what the S3 client needs and the user need not say; returns its endpoint, empty for Amazon's."""
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    return os.environ.get("S3_ENDPOINT", "")


def tf_config() -> str:
    """Returns the TF_CONFIG JSON text; empty for a process that is not a worker of a cluster."""
    return os.environ.get("TF_CONFIG", "")


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
