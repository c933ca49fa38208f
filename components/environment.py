"""The environment variables that the project reads. No other file reads the environment.

Anywhere:
  TMPDIR: the folder for temporary files; defaults to /tmp.
Compile time:
  AGRIVISION_IMAGE: the container image of every step, fixed in the compiled pipeline.
  AGRIVISION_INGEST_IMAGE: the image of the steps that read the source, for an s3:// source; defaults to the image of
    every step.
Reading an s3:// source, which tensorflow-io does. In a pod, the location comes from the ConfigMap `agrivision` and the
keys from the Secret `agrivision-s3`:
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE and the other usual credential variables;
    without any, requests are anonymous, which is enough for a public bucket.
  AWS_REGION: the bucket's region.
  S3_ENDPOINT: a server other than Amazon's, with http:// or https://.
  AWS_EC2_METADATA_DISABLED: defaults to true. Set it to false on EC2 machines that use their instance's role; anywhere
    else, the lookup of a role takes most of a minute.
Reading and writing gs://, as Google's libraries define them:
  GOOGLE_APPLICATION_CREDENTIALS: a file with credentials; without it, and without any that they find themselves,
    requests are anonymous, which is enough for a public bucket.
In a worker:
  grpc_proxy, https_proxy, http_proxy: web proxies, as curl knows them. Workers reach each other without them, whatever
    no_proxy says, and everything else through them.
  TF_CONFIG: the cluster and this task's place in it, as TensorFlow defines it.
  JOB_COMPLETION_INDEX: this pod's index in its Job, as Kubernetes sets it.
Starting workers on a cluster, from the ConfigMap `agrivision`:
  AGRIVISION_WORKER_NAMESPACE: the workers' namespace; defaults to the train step's.
  AGRIVISION_WORKER_SERVICE_ACCOUNT: the workers' service account; defaults to "default".
  AGRIVISION_WORKER_API: "job" or "jobset"; defaults to "job".
  AGRIVISION_WORKER_IMAGE: the workers' image; defaults to the image of the train step's pod.
  AGRIVISION_QUEUE: the LocalQueue that workers wait in, where Kueue admits them; defaults to none.
  KUBECONFIG: the cluster, as kubectl defines it; defaults to the cluster that this process runs in.
What a run costs, also from the ConfigMap `agrivision`:
  AGRIVISION_PRICES: a price file, a path or gs:// URI; defaults to the list prices that the project ships.
Submitting a run, under the names that kfp's own command uses:
  KFP_ENDPOINT: the address of Kubeflow Pipelines, like `--host`.
  KFP_EXISTING_TOKEN: its bearer token, like `--token`, but kept off the command line.
Sending OpenLineage events, under the name that its client uses:
  OPENLINEAGE_API_KEY: the bearer token of the server, kept off the command line.
Telling of the end of a run:
  AGRIVISION_WEBHOOK: the address that events go to, like `--webhook`.
  AGRIVISION_WEBHOOK_SECRET: what signs them; at least 16 characters.
Listing a folder:
  AGRIVISION_FOLLOW_LINKS: "true" to follow links that lead out of the folder, e.g. of a source that is made of links to
    another disk.
Starting a training:
  CUDA_VISIBLE_DEVICES: the GPUs it may use, as CUDA defines it.
  TPU_WORKER_HOSTNAMES: the hosts of the TPU slice, as GKE sets it.
  AGRIVISION_TRUSTED_NETWORK: "true" if nobody but the user can reach this machine; workers may then listen on all of
    its interfaces, as TensorFlow's servers do.
In an image, as its build sets them:
  AGRIVISION_COMMIT: the commit of the code in it; `agrivision run` sets it too, from a checkout without changes.
In a pod:
  KFP_POD_NAME, KFP_POD_UID: set by Kubeflow Pipelines.
"""

import contextlib
import dataclasses
import locale
import os
import re
import sys
from collections.abc import Iterable, Mapping

# kfp.local warns about an image whose name does not contain "python".
DEFAULT_IMAGE = "localhost/agrivision-python:dev"
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # of this project's packages
# Names and texts are UTF-8, whatever the locale says. In a Turkish one, C's upper case of "i" is no "I", with which
# protobuf finds no field of kfp's any more.
_LOCALE = "C.UTF-8"
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_UTF8 = {"PYTHONUTF8": "1", "LC_ALL": _LOCALE}
# Set by a cluster's administrator in the ConfigMap `agrivision`, for the step that starts workers.
CLUSTER_SETTINGS = (
    "AGRIVISION_WORKER_NAMESPACE",
    "AGRIVISION_WORKER_SERVICE_ACCOUNT",
    "AGRIVISION_WORKER_API",
    "AGRIVISION_WORKER_IMAGE",
    "AGRIVISION_QUEUE",
    "AGRIVISION_PRICES",
)
# The same for the steps that read an s3:// source. Their keys come from the Secret `agrivision-s3`.
S3_SETTINGS = ("AWS_REGION", "S3_ENDPOINT")
S3_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def container_image() -> str:
    """Returns the image that compiled steps run in."""
    return os.environ.get("AGRIVISION_IMAGE", DEFAULT_IMAGE)


def ingest_image() -> str:
    """Returns the image of the compiled steps that read the source."""
    return os.environ.get("AGRIVISION_INGEST_IMAGE", container_image())


def kfp_endpoint() -> str:
    """Returns the Kubeflow Pipelines address that runs are submitted to by default; empty if unset."""
    return os.environ.get("KFP_ENDPOINT", "")


def kfp_token() -> str:
    """Returns the bearer token for Kubeflow Pipelines; empty if unset."""
    return os.environ.get("KFP_EXISTING_TOKEN", "")


def openlineage_api_key() -> str:
    """Returns the bearer token of the server of OpenLineage events; empty if unset."""
    return os.environ.get("OPENLINEAGE_API_KEY", "")


def webhook() -> tuple[str, str]:
    """Returns the address that is told of the end of a run, and the secret that signs; both are empty if unset."""
    return os.environ.get("AGRIVISION_WEBHOOK", ""), os.environ.get("AGRIVISION_WEBHOOK_SECRET", "")


def prices() -> str:
    """Returns the path or URI of the user's price file; empty for the project's own."""
    return os.environ.get("AGRIVISION_PRICES", "")


def prepare_s3() -> str:
    """Sets defaults that the S3 client needs; returns its endpoint, empty for Amazon's."""
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    return os.environ.get("S3_ENDPOINT", "")


def temporary_folder() -> str:
    """Returns the folder for temporary files, as kfp's steps find it, which try no other."""
    return os.environ.get("TMPDIR") or "/tmp"


def commit() -> str:
    """Returns the commit of the code that runs; empty if it is unknown, or has changes."""
    found = os.environ.get("AGRIVISION_COMMIT", "").lower()
    return found if _COMMIT.fullmatch(found) else ""


def set_commit(commit: str) -> None:
    """Says which code runs, for this process and its children, unless an image has said it already."""
    os.environ.setdefault("AGRIVISION_COMMIT", commit)


def names_google_credentials() -> bool:
    """Returns whether the user names a file with credentials for gs://."""
    return bool(os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"))


def tf_config() -> str:
    """Returns the TF_CONFIG JSON text; empty for a process that is not a worker of a cluster."""
    return os.environ.get("TF_CONFIG", "")


def set_tf_config(text: str) -> None:
    """Sets TF_CONFIG, which TensorFlow reads when a strategy is made."""
    os.environ["TF_CONFIG"] = text


def reach_directly(hosts: Iterable[str]) -> None:
    """Keeps gRPC, by which workers talk to each other, from asking a web proxy for these hosts.

    It would send even 127.0.0.1 to what `grpc_proxy`, `https_proxy` or `http_proxy` names. The variables stay, for
    weights and buckets may be behind the proxy; gRPC reads `no_grpc_proxy` first, and nothing else does.
    """
    name = "no_grpc_proxy"
    known = [host for host in os.environ.get(name, "").split(",") if host]
    os.environ[name] = ",".join(dict.fromkeys([*known, *hosts]))


def job_completion_index() -> int:
    """Returns this pod's index in its Job; 0 outside a Job."""
    return int(os.environ.get("JOB_COMPLETION_INDEX", "0"))


@dataclasses.dataclass(frozen=True)
class WorkerSettings:
    """The administrator's settings for workers on a cluster; an empty field leaves the choice to the launcher."""

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
    """Returns the paths of the kubeconfig files; empty for the cluster that this process runs in."""
    return os.environ.get("KUBECONFIG", "")


def kfp_pod() -> tuple[str, str]:
    """Returns the name and uid of the step's own pod; both are empty outside a cluster."""
    return os.environ.get("KFP_POD_NAME", ""), os.environ.get("KFP_POD_UID", "")


def cuda_visible_devices() -> str | None:
    """Returns the GPUs that may be used, comma-separated; None for all of them."""
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def follows_links() -> bool:
    """Returns whether the user lets links lead out of the folder that they are in."""
    return os.environ.get("AGRIVISION_FOLLOW_LINKS", "").lower() == "true"


def trusts_network() -> bool:
    """Returns whether the user says that nobody else can reach this machine."""
    return os.environ.get("AGRIVISION_TRUSTED_NETWORK", "").lower() == "true"


def tpu_hosts() -> list[str]:
    """Returns the hosts of this machine's TPU slice; empty if TPU_WORKER_HOSTNAMES is unset."""
    return [host for host in os.environ.get("TPU_WORKER_HOSTNAMES", "").split(",") if host]


def child_environment(overrides: Mapping[str, str | None]) -> dict[str, str]:
    """Returns this process's environment with `overrides`, for a child process; None removes a variable.

    The child and its own children find this project's packages, even where the working folder or PYTHONPATH has others
    of the same names, and take names and texts for UTF-8.
    """
    theirs = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([_ROOT, theirs] if theirs else [_ROOT])
    own = {"PYTHONPATH": path, "PYTHONSAFEPATH": "1", **_UTF8}
    return {name: value for name, value in {**os.environ, **own, **overrides}.items() if value is not None}


def speak_utf8() -> None:
    """Leaves the user's locale, and starts this process anew if Python took an encoding other than UTF-8 from it.

    To be called before anything else is done. No switch changes the encoding of a Python that runs.
    """
    if not sys.flags.utf8_mode and sys.getfilesystemencoding() != "utf-8":
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **_UTF8})
    with contextlib.suppress(locale.Error):  # not on this system
        locale.setlocale(locale.LC_CTYPE, _LOCALE)


# What a process needs that runs models: where its libraries are, its language, and its processors. No credential.
_HARMLESS = (
    *("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"),
    *("NVIDIA_DRIVER_CAPABILITIES", "OMP_NUM_THREADS", "TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTEROP_THREADS"),
    "TF_NUM_INTRAOP_THREADS",
)


def environment_without_secrets(overrides: Mapping[str, str]) -> dict[str, str]:
    """Returns an environment for a process that must hold no credentials, with `overrides`.

    It lists what may stay, since nobody knows all names that credentials can have.
    """
    kept = {name: os.environ[name] for name in _HARMLESS if name in os.environ}
    # Several such processes can share a GPU only if none takes all of its memory.
    return kept | _UTF8 | {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_FORCE_GPU_ALLOW_GROWTH": "true"} | dict(overrides)


def quiet_tensorflow() -> None:
    """Keeps TensorFlow's start-up messages off the terminal, unless the user has asked for them.

    Has an effect only before TensorFlow is imported. Child processes inherit it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
