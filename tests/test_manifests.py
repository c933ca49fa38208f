"""The manifests build, and pods made from them pass the `restricted` Pod Security Standard's fields."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

MANIFESTS = Path(__file__).parents[1] / "manifests"
needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl to build kustomizations")


def build(name):
    result = subprocess.run(["kubectl", "kustomize", MANIFESTS / name], capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(result.stdout))


@needs_kubectl
@pytest.mark.parametrize("name", ["base", "demo"])
def test_a_kustomization_builds_into_one_namespace_that_enforces_restricted(name):
    documents = build(name)

    namespace = next(d for d in documents if d["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    others = [d["metadata"].get("namespace") for d in documents if d["kind"] != "Namespace"]
    assert others
    assert set(others) == {namespace["metadata"]["name"]}


@needs_kubectl
def test_the_demo_runs_the_pipeline_in_the_image_that_the_pipeline_names():
    from components.environment import DEFAULT_IMAGE

    job = next(d for d in build("demo") if d["kind"] == "Job")
    pod = job["spec"]["template"]["spec"]

    containers = [*pod["initContainers"], *pod["containers"]]
    assert {c["image"] for c in containers} == {DEFAULT_IMAGE}
    assert pod["automountServiceAccountToken"] is False
    assert all(c["securityContext"]["readOnlyRootFilesystem"] for c in containers)


@needs_kubectl
@pytest.mark.cluster
@pytest.mark.skipif("KUBECONFIG" not in os.environ, reason="needs a cluster (KUBECONFIG)")
def test_the_api_server_takes_the_demo():
    server = ["kubectl", "apply", "-f", "-", "--dry-run=server"]
    namespace = subprocess.run(
        ["kubectl", "create", "namespace", "agrivision-test", "--dry-run=client", "-o=yaml"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    subprocess.run(["kubectl", "apply", "-f", "-"], input=namespace, text=True, check=True, capture_output=True)
    try:
        subprocess.run(
            [
                *("kubectl", "label", "namespace", "agrivision-test"),
                *("pod-security.kubernetes.io/enforce=restricted", "pod-security.kubernetes.io/warn=restricted"),
            ],
            check=True,
            capture_output=True,
        )
        for document in build("demo"):
            if document["kind"] == "Namespace":
                continue
            document["metadata"]["namespace"] = "agrivision-test"
            result = subprocess.run(server, input=yaml.safe_dump(document), text=True, capture_output=True, check=False)
            assert result.returncode == 0, result.stderr
            assert "would violate" not in result.stderr
    finally:
        subprocess.run(["kubectl", "delete", "namespace", "agrivision-test", "--wait=false"], check=True)
