"""The environment variables that the project reads; no other file reads one.

Compile time:
  AGRIVISION_IMAGE: the container image of every step, fixed in the compiled pipeline.
In a worker:
  TF_CONFIG: the cluster and this task's place in it, as TensorFlow defines it.
In a pod:
  KFP_POD_NAME, KFP_POD_UID: set by Kubeflow Pipelines.
"""

import os

# kfp.local warns about an image whose name does not contain "python".
DEFAULT_IMAGE = "localhost/agrivision-python:dev"


def image() -> str:
    """Returns the image that compiled steps run in."""
    return os.environ.get("AGRIVISION_IMAGE", DEFAULT_IMAGE)


def tf_config() -> str:
    """Returns the TF_CONFIG JSON text; empty for a process that is not a worker of a cluster."""
    return os.environ.get("TF_CONFIG", "")


def child_environment(overrides: dict[str, str]) -> dict[str, str]:
    """Returns this process's environment with `overrides`, for a child process."""
    return {**os.environ, **overrides}


def quiet_tensorflow() -> None:
    """Keeps TensorFlow's start-up messages off the terminal, unless the user has asked for them.

    Of use only before TensorFlow is imported, and handed down to child processes.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
