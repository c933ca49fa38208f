"""How soon a launch takes over the training of one whose pod is lost, on a real cluster, with the lease in a bucket."""

import re
import uuid
from typing import Any

import pytest
from made_bucket import make_bucket
from pods_on_cluster import ACCOUNT, BUCKET_MARKS, Workplace, kubectl
from train_fixtures import wait_for

from components import environment

pytestmark = BUCKET_MARKS
LEASE_SECONDS = 40
# A launcher's pod with everything but the training: HOW the first one is lost is the second argument.
_LAUNCHER = """
import os, sys, time
from components import environment
from components.train.launch import bucket_lease
from components.train.launch.one_at_a_time import hold
from components.train.launch.pods.api import Kubernetes
from components.train.launch.pods.whereabouts import PodWhereabouts
folder, how, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
if how == "silent":
    bucket_lease._BucketLease._keep_renewing = lambda self: None
def say(text):
    print(f"{time.time():.1f} {text}", flush=True)
whereabouts = PodWhereabouts(Kubernetes(), environment.kfp_pod())
say(f"place {whereabouts.place()}")
with hold(folder, say, seconds, whereabouts):
    say("held")
    if how == "fails":
        time.sleep(5.0)
        os._exit(1)
    time.sleep(600.0 if how in ("deleted", "silent") else 0.0)
"""


@pytest.fixture
def folder() -> str:

    bucket = f"taken-over-{uuid.uuid4().hex}"
    make_bucket(bucket)
    return f"gs://{bucket}/training/x"


def start(place: Workplace, name: str, *arguments: str) -> None:
    """Starts a launcher's pod, whose environment says of it what Kubeflow says of a step's."""
    fields = {"KFP_POD_NAME": "metadata.name", "KFP_POD_UID": "metadata.uid"}
    container: dict[str, Any] = {
        "name": "main",
        "image": environment.container_image(),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", _LAUNCHER, *arguments],
        "env": [{"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in fields.items()],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True},
    }
    container["securityContext"]["seccompProfile"] = {"type": "RuntimeDefault"}
    spec = {"restartPolicy": "Never", "serviceAccountName": ACCOUNT, "containers": [container]}
    metadata = {"name": name, "namespace": place.namespace}
    kubectl("create", "-f", "-", documents=[{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}])


def said_at(place: Workplace, name: str, what: str) -> float | None:
    """Returns when a pod said something, in seconds since 1970; None if it has not."""
    phase = kubectl("get", "pod", name, "-n", place.namespace, "-o", "jsonpath={.status.phase}")
    log = "" if phase == "Pending" else kubectl("logs", "-n", place.namespace, name)
    assert phase != "Failed" or "held" in log, log
    found = re.search(rf"^([0-9.]+) .*{what}", log, re.MULTILINE)
    return float(found[1]) if found else None


@pytest.mark.parametrize("how", ["fails", "deleted", "silent"])
def test_a_launch_waits_for_the_lease_of_a_pod_that_runs_and_not_for_that_of_one_that_is_gone(
    place: Workplace, folder: str, how: str
) -> None:
    first, second = (f"{how}-{number}" for number in (1, 2))
    start(place, first, folder, how, str(LEASE_SECONDS))
    wait_for(lambda: said_at(place, first, "held"), seconds=120.0)
    start(place, second, folder, "ends", str(LEASE_SECONDS))
    wait_for(lambda: said_at(place, second, "waiting for it to end"), seconds=120.0)
    lost = said_at(place, second, "waiting for it to end")
    if how == "deleted":
        kubectl("delete", "pod", first, "-n", place.namespace, "--force", "--grace-period=0")

    wait_for(lambda: said_at(place, second, "held"), seconds=120.0)

    waited = (said_at(place, second, "held") or 0.0) - (lost or 0.0)
    print(f"{how}: taken over after {waited:.1f} s")
    assert waited < 0.75 * LEASE_SECONDS if how != "silent" else waited >= 0.9 * LEASE_SECONDS, waited
