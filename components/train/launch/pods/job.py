"""Renders the Kubernetes objects of a gang of workers, with pure functions: a headless Service and an Indexed Job.

Their network policy stands in network_policy.py.

Workers that train in lockstep live and die together, so a Job is one attempt: nothing in it is retried, and the next
attempt is another Job. A Job has a deadline that its launcher keeps extending: if the launcher dies, for whatever
reason, nothing keeps running.
"""

import dataclasses
import hashlib
from typing import Any

import msgspec

from components.train.launch.pods.pod_template import WorkerPod, pod_template
from components.train.settings.worker_spec import PERMANENT

JOB, JOBSET = "job", "jobset"
APIS = (JOB, JOBSET)
DIGEST = "agrivision/spec-sha256"
ATTEMPT = "agrivision/attempt"
TRAINING = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
QUEUE = "kueue.x-k8s.io/queue-name"
TENSORFLOW_PORT, RENDEZVOUS_PORT = 2222, 2223
# A worker outlives its launcher by this, plus the grace period after SIGTERM, plus the controller's delay.
DEADLINE_SECONDS = 60
_KEPT_SECONDS = 3600  # a finished Job is kept this long, for people who look for the reason of a failure
_REPLICATED_JOB = "workers"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PodGang:
    """One attempt of a training, as pods.

    Attributes:
      training: Start of the names of all attempts.
      attempt: Number of the attempt, from 1.
      num_pods: Processes of the training: workers and, with some strategies, others.
      pod: What each pod runs.
      api: One of APIS.
      queue: LocalQueue of Kueue that admits the Job; empty for none.
      owner: Name and uid of a pod in the same namespace; the Job is deleted with it. None for none.
      digest: Identifies the training across attempts and launches; see digest().
    """

    namespace: str
    training: str
    attempt: int
    num_pods: int
    pod: WorkerPod
    api: str = JOB
    queue: str = ""
    owner: tuple[str, str] | None = None
    digest: str = ""

    @property
    def name(self) -> str:
        """Name of the object that is created first: the Job, or the JobSet that creates it."""
        return f"{self.training}-{self.attempt}"

    @property
    def kind(self) -> str:
        """Kind of that object."""
        return "Job" if self.api == JOB else "JobSet"

    @property
    def api_version(self) -> str:
        """API version of that object."""
        return "batch/v1" if self.api == JOB else "jobset.x-k8s.io/v1alpha2"

    @property
    def job_name(self) -> str:
        """Name of the Job that the pods belong to."""
        return self.name if self.api == JOB else f"{self.name}-{_REPLICATED_JOB}-0"

    @property
    def addresses(self) -> tuple[str, ...]:
        """TensorFlow's "<host>:<port>" in each pod."""
        return tuple(f"{self._host(index)}:{TENSORFLOW_PORT}" for index in range(self.num_pods))

    @property
    def rendezvous(self) -> str:
        """The "<host>:<port>" where the first process waits for the others; empty if it is the only one."""
        return f"{self._host(0)}:{RENDEZVOUS_PORT}" if self.num_pods > 1 else ""

    def _host(self, index: int) -> str:
        return f"{self.job_name}-{index}.{self.name}"

    @property
    def labels(self) -> dict[str, str]:
        """Labels by which the gang's objects are found."""
        return {
            "app.kubernetes.io/name": "agrivision",
            COMPONENT: "train-worker",
            "app.kubernetes.io/managed-by": "agrivision-train",
            TRAINING: self.training,
            ATTEMPT: str(self.attempt),
        }


def digest(gang: PodGang, spec_json: bytes) -> str:
    """Returns a digest of the gang that is the same for all attempts and launches of a training.

    Args:
      gang: The gang; fields that differ by attempt or launch are ignored.
      spec_json: The workers' spec, without their addresses.
    """
    pod = dataclasses.replace(gang.pod, spec_uri="")
    same = dataclasses.replace(gang, attempt=0, owner=None, digest="", pod=pod)
    rendered = msgspec.json.encode(render(same), order="sorted")
    return hashlib.sha256(rendered + b"\0" + spec_json).hexdigest()


def render(gang: PodGang) -> dict[str, Any]:
    """Renders the object that is created first, a Job or a JobSet."""
    return _job(gang) if gang.api == JOB else _jobset(gang)


def render_service(gang: PodGang, job_uid: str) -> dict[str, Any]:
    """Renders the headless Service that gives the pods their host names; a JobSet creates its own."""
    owner = {"apiVersion": gang.api_version, "kind": gang.kind, "name": gang.name, "uid": job_uid}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": gang.name,
            "namespace": gang.namespace,
            "labels": gang.labels,
            "ownerReferences": [owner],
        },
        "spec": {
            "clusterIP": "None",
            "selector": {"batch.kubernetes.io/job-name": gang.job_name},
            # The pods must find each other before they are ready.
            "publishNotReadyAddresses": True,
            "ports": [{"name": "tensorflow", "port": TENSORFLOW_PORT}, {"name": "rendezvous", "port": RENDEZVOUS_PORT}],
        },
    }


def _metadata(gang: PodGang) -> dict[str, Any]:
    queue = {QUEUE: gang.queue} if gang.queue else {}
    metadata: dict[str, Any] = {"name": gang.name, "namespace": gang.namespace, "labels": {**gang.labels, **queue}}
    metadata["annotations"] = {DIGEST: gang.digest}
    if gang.owner is not None:
        name, uid = gang.owner
        metadata["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}]
    return metadata


def _suspended(gang: PodGang) -> dict[str, bool]:
    return {"suspend": True} if gang.queue else {}  # until Kueue admits it


def _job_spec(gang: PodGang) -> dict[str, Any]:
    return {
        "completionMode": "Indexed",
        "completions": gang.num_pods,
        "parallelism": gang.num_pods,
        # A worker cannot continue without its peers; the next attempt is another Job.
        "backoffLimit": 0,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": "worker", "operator": "In", "values": sorted(PERMANENT)},
                },
                # Preempted, evicted or its node drained: recorded apart from a crash, since the worker did no wrong.
                {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            ]
        },
        "activeDeadlineSeconds": DEADLINE_SECONDS,
        "template": pod_template(gang.pod, gang.name, gang.labels),
    }


def _job(gang: PodGang) -> dict[str, Any]:
    return {
        "apiVersion": gang.api_version,
        "kind": gang.kind,
        "metadata": _metadata(gang),
        "spec": {**_job_spec(gang), "ttlSecondsAfterFinished": _KEPT_SECONDS, **_suspended(gang)},
    }


def _jobset(gang: PodGang) -> dict[str, Any]:
    return {
        "apiVersion": gang.api_version,
        "kind": gang.kind,
        "metadata": _metadata(gang),
        "spec": {
            "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True, "subdomain": gang.name},
            "failurePolicy": {"maxRestarts": 0},
            "replicatedJobs": [
                {
                    "name": _REPLICATED_JOB,
                    "replicas": 1,
                    "template": {
                        "metadata": {"labels": gang.labels, "annotations": {DIGEST: gang.digest}},
                        "spec": _job_spec(gang),
                    },
                }
            ],
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            **_suspended(gang),
        },
    }
