"""Who reaches whom on a cluster: pods that try to connect, and what they say of it."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from pods_on_cluster import kubectl
from train_fixtures import wait_for

from components import environment
from components.train.launch.pods.pod_template import CONTAINER

THIRD = "third"  # name of a pod that belongs to no training
_PATIENCE_SECONDS = 300.0  # with a busy machine
_CONNECT = """
import concurrent.futures, json, socket, sys
def is_reached(target):
    host, port = target.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 5.0).close()
    except OSError:
        return False
    return True
with concurrent.futures.ThreadPoolExecutor(64) as pool:
    print(json.dumps([target for target, it_is in zip(sys.argv[1:], pool.map(is_reached, sys.argv[1:])) if it_is]))
"""
_LISTENING = """
import json
rows = [line.split() for name in ("tcp", "tcp6") for line in list(open(f"/proc/net/{name}"))[1:]]
print(json.dumps(sorted({int(row[1].rsplit(":", 1)[1], 16) for row in rows if row[3] == "0A"})))
"""
_SERVE = "import socket, time; s = socket.create_server(('', 2222)); time.sleep(3600)"


def listened_on(namespace: str, pod: dict[str, Any]) -> list[int]:
    """Returns the ports on which a worker listens."""
    listening = kubectl(
        "exec", "-n", namespace, pod["metadata"]["name"], "-c", CONTAINER, "--", "python", "-c", _LISTENING
    )
    ports: list[int] = json.loads(listening)
    return ports


def reached_from(namespace: str, name: str, targets: Sequence[str]) -> list[str]:
    """Returns the targets, "<host>:<port>", to which a pod connects.

    Args:
      namespace: Where the pod is.
      name: Of a worker; or of a pod that is made for this, if it begins with THIRD.
      targets: What it tries.
    """
    if not name.startswith(THIRD):
        output = kubectl("exec", "-n", namespace, name, "-c", CONTAINER, "--", "python", "-c", _CONNECT, *targets)
    else:
        with _pod(namespace, name, _CONNECT, targets):
            wait_for(lambda: _phase(namespace, name) in ("Succeeded", "Failed"), _PATIENCE_SECONDS)
            output = kubectl("logs", "-n", namespace, name)
    reached: list[str] = json.loads(output.splitlines()[-1])
    return reached


def is_enforced(namespace: str) -> bool:
    """Tells whether this cluster's network does what network policies say, by one that lets nobody in."""
    deny = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "nobody", "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": {"test": "server"}}, "policyTypes": ["Ingress"]},
    }
    with _pod(namespace, "server", _SERVE, ()):
        wait_for(lambda: _phase(namespace, "server") == "Running", _PATIENCE_SECONDS)
        address = json.loads(kubectl("get", "pod", "-n", namespace, "server", "-o", "json"))["status"]["podIP"]
        target = [f"{address}:2222"]
        wait_for(lambda: reached_from(namespace, f"{THIRD}-before", target) == target, _PATIENCE_SECONDS)
        kubectl("create", "-f", "-", documents=[deny])
        return reached_from(namespace, f"{THIRD}-after", target) == []


@contextlib.contextmanager
def _pod(namespace: str, name: str, code: str, arguments: Sequence[str]) -> Iterator[None]:
    """Runs Python in a pod that a restricted namespace admits, and removes it."""
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
    container = {
        "name": "main",
        "image": environment.container_image(),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", code, *arguments],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "securityContext": {**restricted, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container]}
    metadata = {"name": name, "namespace": namespace, "labels": {"test": name}}
    try:
        kubectl(
            "create", "-f", "-", documents=[{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}]
        )
        yield
    finally:
        kubectl("delete", "pod", "-n", namespace, name, "--ignore-not-found", "--grace-period=0", "--force")


def _phase(namespace: str, name: str) -> str:
    return kubectl("get", "pod", "-n", namespace, name, "-o", "jsonpath={.status.phase}")
