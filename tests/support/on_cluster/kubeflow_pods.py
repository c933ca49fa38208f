"""Pods of ours in the namespace of runs, for what tests do where only pods can."""

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Mapping
from typing import Any

from components import environment
from pipeline.parameters import VOLUME_PATH

NAMESPACE = "kubeflow"  # of runs


def in_a_pod(
    program: str, *arguments: str, claim: str = "", image: str = "", variables: Mapping[str, str] | None = None
) -> str:
    """Runs a Python program and returns what it prints.

    Args:
      claim: A volume claim, mounted where steps mount it; by default none.
      image: By default that of steps.
      variables: More of its environment.
    """
    name = f"test-{uuid.uuid4().hex[:8]}"
    container: dict[str, Any] = {
        "name": "main",
        "image": image or environment.container_image(),
        "args": ["-c", program, *arguments],
        "env": [{"name": variable, "value": value} for variable, value in (variables or {}).items()],
    }
    spec: dict[str, Any] = {"restartPolicy": "Never", "containers": [container]}
    if claim:
        container["volumeMounts"] = [{"name": "data", "mountPath": VOLUME_PATH}]
        spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    try:
        kubectl("create", "-f", "-", text=json.dumps(pod))
        until = time.monotonic() + 120
        while (phase := kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}")) not in ("Succeeded", "Failed"):
            assert time.monotonic() < until, kubectl("describe", "pod", name)
            time.sleep(1)
        output = kubectl("logs", name)
        assert phase == "Succeeded", output
        return output
    finally:
        kubectl("delete", "pod", name, "--wait=false")


def refused_by_restricted(run_id: str) -> dict[str, str]:
    """Returns why a namespace that enforces the policy `restricted` would refuse pods of a run, by name; none is made.

    Whoever runs the tests must be allowed to make a namespace.
    """
    pods = json.loads(kubectl("get", "pods", "-l", f"pipeline/runid={run_id}", "-o", "json"))["items"]
    assert pods, f"no pod of run {run_id} is there any more"
    name = f"restricted-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    kubectl("create", "-f", "-", text=json.dumps(space))
    try:
        while not _kubectl(name, "get", "serviceaccount", "default", "--ignore-not-found", "-o", "name").stdout:
            time.sleep(0.5)
        return {pod["metadata"]["name"]: reason for pod in pods if (reason := _refusal(name, pod["spec"]))}
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


def _refusal(namespace: str, spec: dict[str, Any]) -> str:
    # Accounts and nodes are of no concern to the policy; that account is not in this namespace.
    kept = {
        name: value for name, value in spec.items() if name not in ("serviceAccount", "serviceAccountName", "nodeName")
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tried"}, "spec": kept}
    tried = _kubectl(namespace, "create", "--dry-run=server", "-f", "-", text=json.dumps(pod))
    return tried.stderr if tried.returncode or "would violate" in tried.stderr else ""


def _kubectl(namespace: str, *arguments: str, text: str | None = None) -> "subprocess.CompletedProcess[str]":
    command = ["kubectl", "-n", namespace, *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)


def kubectl(*arguments: str, text: str | None = None) -> str:
    """Runs it in the namespace of runs; returns what it prints."""
    command = ["kubectl", "-n", NAMESPACE, *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=60).stdout


def has(kind: str, name: str) -> bool:
    """Tells whether the namespace of runs has such an object, on the cluster that KUBECONFIG names."""
    if "KUBECONFIG" not in os.environ or shutil.which("kubectl") is None:
        return False
    return kubectl("get", kind, name, "--ignore-not-found", "-o", "name") != ""
