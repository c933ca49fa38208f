"""What tests of training with pods share: a restricted namespace, an account with the launcher's rights alone, data."""

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_bucket import make_bucket
from train_fixtures import write_data

from components import environment, storage
from components.contracts import Manifest
from components.train.launch.pods.job import ATTEMPT, COMPONENT
from components.train.launch.pods.pod_status import index_of

MARKS = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif("KUBECONFIG" not in os.environ, reason="needs a cluster (KUBECONFIG)"),
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl"),
]
# With data in a bucket that the cluster's pods reach.
BUCKET_MARKS = [
    *MARKS,
    pytest.mark.gcs,
    pytest.mark.skipif("STORAGE_EMULATOR_HOST" not in os.environ, reason="needs a gs:// server, STORAGE_EMULATOR_HOST"),
]
MANIFESTS = Path(__file__).parents[3] / "manifests"
ACCOUNT = "launcher"
_DISK = "ephemeral-storage"
_ADMIN = os.environ.get("KUBECONFIG", "")


def kubectl(*arguments: str, documents: list[Any] | None = None) -> str:
    """Runs it as whoever runs these tests, who may do more than the launcher."""
    text = None if documents is None else "\n".join(map(json.dumps, documents))
    command = ["kubectl", "--kubeconfig", _ADMIN, *arguments]
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, (arguments, result.stderr)
    return result.stdout


@dataclasses.dataclass(frozen=True)
class Workplace:
    """Where a test's workers run.

    Attributes:
      kubeconfig: The cluster as the launcher's account sees it.
    """

    namespace: str
    kubeconfig: Path

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Makes it what this process's launcher finds; AGRIVISION_IMAGE names an image that the nodes have."""
        monkeypatch.setenv("AGRIVISION_WORKER_IMAGE", environment.container_image())
        monkeypatch.setenv("AGRIVISION_WORKER_NAMESPACE", self.namespace)
        monkeypatch.setenv("KUBECONFIG", str(self.kubeconfig))

    def pods(self) -> dict[str, dict[str, Any]]:
        """Returns the workers' pods that are there, by "<attempt>-<index>"."""
        found = {}
        for pod in json.loads(kubectl("get", "pods", "-n", self.namespace, "-o", "json", "-l", ATTEMPT))["items"]:
            found[f"{pod['metadata']['labels'][ATTEMPT]}-{index_of(pod)}"] = pod
        return found

    def is_running(self, key: str) -> bool:
        pod = self.pods().get(key)
        return pod is not None and pod["status"]["phase"] == "Running"

    def is_training(self, attempt: int) -> bool:
        """Tells, after a moment, whether an attempt takes steps."""
        time.sleep(1.0)
        pod = self.pods().get(f"{attempt}-0")
        if pod is None or pod["status"]["phase"] != "Running":
            return False
        return " step " in kubectl("logs", "-n", self.namespace, pod["metadata"]["name"], "--tail=20")

    def left(self) -> str:
        """Returns what is left of trainings, one a line."""
        return kubectl("get", "jobs,services,networkpolicies,pods", "-n", self.namespace, "-o", "name", "-l", ATTEMPT)


@contextlib.contextmanager
def workplace(folder: Path, *more_rules: dict[str, Any]) -> Iterator[Workplace]:
    """Makes a namespace that admits restricted pods only, with the launcher's Role, and an account that has it.

    Workers reach the tests' gs:// there, which is at a private address as a rule.

    Args:
      folder: For the kubeconfig of that account.
      more_rules: Of the Role.
    """
    name = f"train-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    role, _ = yaml.safe_load_all((MANIFESTS / "base" / "launcher-role.yaml").read_text())
    role["rules"] += more_rules
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": ACCOUNT},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role["metadata"]["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": name}],
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}
    bucket = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "bucket"},
        "spec": {
            "podSelector": {"matchLabels": {COMPONENT: "train-worker"}},
            "policyTypes": ["Egress"],
            "egress": [{"ports": [{"protocol": "TCP", "port": _bucket_port()}]}],
        },
    }
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    count_disk()
    try:
        kubectl("apply", "-f", "-", documents=[space])
        kubectl("apply", "-n", name, "-f", "-", documents=[role, binding, account, bucket])
        yield Workplace(name, _kubeconfig(name, folder / "kubeconfig"))
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


def count_disk() -> None:
    """Gives nodes room on paper whose kubelet does not count their disk; else they take no pod that asks for some."""
    for node in json.loads(kubectl("get", "nodes", "-o", "json"))["items"]:
        if _DISK not in node["status"]["capacity"]:
            room = {_DISK: "100Gi"}
            change = json.dumps({"status": {"capacity": room, "allocatable": room}})
            name = node["metadata"]["name"]
            kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", change)


def _bucket_port() -> int:
    address = urllib.parse.urlsplit(os.environ.get("STORAGE_EMULATOR_HOST", ""))
    return address.port or (80 if address.scheme == "http" else 443)


def _kubeconfig(namespace: str, path: Path) -> Path:
    config = yaml.safe_load(kubectl("config", "view", "--minify", "--raw"))
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    url = f"/api/v1/namespaces/{namespace}/serviceaccounts/{ACCOUNT}/token"
    answer = kubectl("create", "--raw", url, "-f", "-", documents=[request])
    config["users"][0]["user"] = {"token": json.loads(answer)["status"]["token"]}
    config["contexts"][0]["context"]["namespace"] = namespace
    path.write_text(yaml.safe_dump(config))
    return path


def write_dataset(root: Path) -> Path:
    """Writes a dataset as merge leaves it, and returns the path of its manifest."""
    write_data(root)
    manifest = Manifest.read(root / "manifest.json")
    manifest.write(root / "datasets" / manifest.dataset_id / "manifest.json")
    return root / "manifest.json"


def dataset_in_bucket(root: Path) -> tuple[str, Path]:
    """Makes a bucket with a dataset, and returns its URI, and the path of the manifest here."""
    manifest = write_dataset(root)
    bucket = f"pods-{uuid.uuid4().hex}"
    make_bucket(bucket)
    for file in storage.list_files(str(root)):
        storage.write_bytes(f"gs://{bucket}/{file.path}", (root / file.path).read_bytes())
    return f"gs://{bucket}", manifest


def is_installed(resource: str) -> bool:
    """Tells whether the cluster has a custom resource, named as "<plural>.<group>"."""
    return bool(kubectl("get", "crd", resource, "--ignore-not-found", "-o", "name"))
