"""An overlay with other namespaces, accounts and storage, as docs/cluster.md shows it: built, and on a cluster."""

import json
import os
import shutil
import subprocess
import textwrap
import uuid
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl to build kustomizations")
WORKERS, RUNS, RUNNER, STORAGE = "crops", "team-a", "team-a-runner", "fast"


def kubectl(*arguments, documents=None, check=True):
    text = None if documents is None else yaml.safe_dump_all(documents)
    result = subprocess.run(
        ["kubectl", *arguments], input=text, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0 or not check, result.stderr
    return result


def overlays_of_the_docs():
    """Returns the files that the docs show, by their paths, which are the first line of each."""
    blocks = []
    for line in (ROOT / "docs/cluster.md").read_text().splitlines():
        if line.startswith("    # manifests/overlays/"):
            blocks.append([])
        if blocks and line.startswith("    "):
            blocks[-1].append(line)
        elif blocks and line:
            break
    texts = [textwrap.dedent("\n".join(block)) for block in blocks]
    return {text.splitlines()[0].removeprefix("# "): text for text in texts}


def build(folder, suffix=""):
    """Returns the documents of the overlay, with `suffix` after the names that it makes up."""
    shutil.copytree(ROOT / "manifests", folder / "manifests")
    files = overlays_of_the_docs()
    for path, text in files.items():
        for name in (WORKERS, RUNS):
            text = text.replace(f"namespace: {name}", f"namespace: {name}{suffix}")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    built = kubectl("kustomize", str(folder / next(iter(files)).removesuffix("/kustomization.yaml"))).stdout
    return list(yaml.safe_load_all(built))


def test_no_name_of_before_is_left_in_an_overlay_with_other_ones(tmp_path):
    documents = build(tmp_path)

    namespaces = {d["metadata"].get("namespace") for d in documents} - {None}
    assert namespaces == {WORKERS, RUNS}
    assert [d["metadata"]["name"] for d in documents if d["kind"] == "Namespace"] == [WORKERS]
    (binding,) = [d for d in documents if d["kind"] == "RoleBinding"]
    assert {(each["namespace"], each["name"]) for each in binding["subjects"]} == {
        (RUNS, RUNNER),
        (WORKERS, "agrivision-launcher"),
    }
    (settings,) = [d for d in documents if d["kind"] == "ConfigMap"]
    assert settings["data"]["AGRIVISION_WORKER_NAMESPACE"] == WORKERS
    claims = [d for d in documents if d["kind"] == "PersistentVolumeClaim"]
    assert [(d["metadata"]["namespace"], d["spec"]["storageClassName"]) for d in claims] == [
        (WORKERS, STORAGE),
        (RUNS, STORAGE),
    ]


@pytest.mark.cluster
@pytest.mark.skipif("KUBECONFIG" not in os.environ, reason="needs a cluster (KUBECONFIG)")
def test_who_may_start_workers_follows_the_names_of_the_overlay(tmp_path):
    suffix = f"-{uuid.uuid4().hex[:8]}"
    documents = build(tmp_path, suffix)
    workers, runs = WORKERS + suffix, RUNS + suffix
    documents.insert(0, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": runs}})

    def may(account, verb, resource, namespace):
        who = f"--as=system:serviceaccount:{account}"
        return kubectl("auth", "can-i", verb, resource, "-n", namespace, who, check=False).stdout.strip() == "yes"

    try:
        kubectl("apply", "-f", "-", documents=documents)
        for account in (f"{runs}:{RUNNER}", f"{workers}:agrivision-launcher"):
            for verb, resource in (("create", "jobs"), ("create", "networkpolicies"), ("get", "pods/log")):
                assert may(account, verb, resource, workers), (account, verb, resource)
                assert not may(account, verb, resource, "default")
            assert not may(account, "create", "pods", workers)
        for account in (
            f"{workers}:agrivision-worker",
            "kubeflow:pipeline-runner",
            "agrivision:agrivision-launcher",
            f"{runs}:pipeline-runner",
        ):
            assert not may(account, "create", "jobs", workers), account
        claims = json.loads(kubectl("get", "pvc", "-n", runs, "-o", "json").stdout)["items"]
        assert [claim["spec"]["storageClassName"] for claim in claims] == [STORAGE]
    finally:
        kubectl("delete", "--wait=false", "-f", "-", documents=documents, check=False)
