"""The manifests on a cluster: applied, enforced, and who may do what. In namespaces of this test's own."""

import json
import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
import yaml

from components.train.launch.pods.pod_template import WorkerPod, pod_template
from components.train.settings.node_pools import PROFILES

MANIFESTS = Path(__file__).parents[2] / "manifests"
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif("KUBECONFIG" not in os.environ, reason="needs a cluster (KUBECONFIG)"),
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl"),
]


def kubectl(*arguments, documents=None, check=True):
    text = None if documents is None else yaml.safe_dump_all(documents)
    result = subprocess.run(
        ["kubectl", *arguments], input=text, capture_output=True, text=True, check=False, timeout=120
    )
    if check:
        assert result.returncode == 0, result.stderr
    return result


def moved(name, suffix):
    """Returns the documents of a kustomization, their namespaces and all that has none named apart by `suffix`."""
    documents = list(yaml.safe_load_all(kubectl("kustomize", str(MANIFESTS / name)).stdout))
    for document in documents:
        metadata = document["metadata"]
        if document["kind"] in ("Namespace", "PersistentVolume"):
            metadata["name"] += suffix
        else:
            metadata["namespace"] += suffix
        spec = document.get("spec", {})
        for place in (*document.get("subjects", ()), spec.get("claimRef", {})):
            if "namespace" in place:
                place["namespace"] += suffix
        if spec.get("volumeName"):
            spec["volumeName"] += suffix
        for port in spec.get("ports", ()) if document["kind"] == "Service" else ():
            del port["nodePort"]  # one for all namespaces; any that is free will do here
    return documents


@pytest.fixture(scope="module")
def applied():
    """The overlay kind, for real, in namespaces of its own; yields their suffix."""
    suffix = f"-test-{uuid.uuid4().hex[:8]}"
    documents = moved("overlays/kind", suffix)
    runs = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"kubeflow{suffix}"}}
    try:
        kubectl("apply", "-f", "-", documents=[runs, *documents])
        again = kubectl("apply", "-f", "-", documents=[runs, *documents]).stdout.splitlines()
        assert [line for line in again if not line.endswith(" unchanged")] == []
        yield suffix
    finally:
        kubectl("delete", "--wait=false", "-f", "-", documents=[runs, *documents], check=False)


@pytest.mark.parametrize("name", ["demo", "overlays/kind", "overlays/gke", "overlays/nfs"])
def test_the_api_server_takes_every_document(name):
    suffix = f"-test-{uuid.uuid4().hex[:8]}"
    documents = moved(name, suffix)
    # A dry run makes no namespace, so what is in one is tried in one that is there.
    for document in documents:
        if "namespace" in document["metadata"]:
            document["metadata"]["namespace"] = "default"

    assert kubectl("apply", "--dry-run=server", "-f", "-", documents=documents).stderr == ""


def test_claims_are_bound_to_the_folder_in_both_namespaces(applied):
    bound = ("wait", "--for=jsonpath={.status.phase}=Bound", "--timeout=30s", "pvc/agrivision-data")

    for namespace in ("agrivision", "kubeflow"):
        kubectl(*bound, "-n", f"{namespace}{applied}")


def rights(namespace, account):
    """Returns what `kubectl auth can-i --list` says of an account in a namespace: (group, resource) -> verbs."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    # Without kubectl's own validation, which asks for more than the account may see.
    create = ("create", "--validate=false", "-o", "json", "-f", "-", f"--as=system:serviceaccount:{account}")
    made = kubectl(*create, documents=[review])
    found = {}
    for rule in json.loads(made.stdout)["status"]["resourceRules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


def test_the_launcher_has_its_rights_and_the_worker_those_of_anybody(applied):
    namespace = f"agrivision{applied}"
    anybody = rights(namespace, f"{namespace}:nobody")

    assert rights(namespace, f"{namespace}:agrivision-worker") == anybody
    launcher = {
        ("batch", "jobs"): {"create", "get", "list", "watch", "patch", "delete"},
        ("", "services"): {"create", "get", "delete"},
        ("networking.k8s.io", "networkpolicies"): {"create", "get", "patch", "delete"},
        ("", "pods"): {"get", "list", "watch"},
        ("", "pods/log"): {"get"},
        ("", "events"): {"list"},
    }
    for account in (f"kubeflow{applied}:pipeline-runner", f"{namespace}:agrivision-launcher"):
        assert rights(namespace, account) == {**anybody, **launcher}
        # The role is the workers' namespace's alone.
        assert rights("default", account) == rights("default", f"{namespace}:nobody")


def pods():
    """Returns the templates of our pods by name: the demo's, and a worker of every profile."""
    demo = yaml.safe_load_all(kubectl("kustomize", str(MANIFESTS / "demo")).stdout)
    job = next(document for document in demo if document["kind"] == "Job")
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "agrivision-data"}}
    workers = {
        name: pod_template(
            WorkerPod(
                image="localhost/agrivision-python:dev",
                spec_uri="gs://bucket/spec.json",
                pool=pool,
                service_account="agrivision-worker",
                volumes=[claim],
                volume_mounts=[{"name": "data", "mountPath": "/mnt/agrivision"}],
            ),
            "training",
            {},
        )
        for name, pool in PROFILES.items()
    }
    return {"demo": job["spec"]["template"], **workers}


def tried(template, namespace):
    """Tries to create a pod, without creating it."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "worker", "namespace": namespace},
        "spec": template["spec"],
    }
    return kubectl("create", "--dry-run=server", "-f", "-", documents=[pod], check=False)


def test_our_pods_are_admitted(applied):
    for name, template in pods().items():
        result = tried(template, f"agrivision{applied}")

        assert result.returncode == 0, (name, result.stderr)
        assert "would violate" not in result.stderr, name


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda pod, _: pod["securityContext"].update(runAsUser=0), "runAsUser=0"),
        (lambda pod, _: pod["securityContext"].update(runAsNonRoot=False), "runAsNonRoot"),
        (lambda pod, _: pod["securityContext"].pop("seccompProfile"), "seccompProfile"),
        (lambda pod, _: pod.update(hostNetwork=True), "host namespaces"),
        (lambda pod, _: pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}}), "hostPath"),
        (lambda _, worker: worker.pop("capabilities"), "unrestricted capabilities"),
        (lambda _, worker: worker["capabilities"].update(add=["SYS_ADMIN"]), "SYS_ADMIN"),
        (lambda _, worker: worker.pop("allowPrivilegeEscalation"), "allowPrivilegeEscalation"),
        (lambda _, worker: worker.update(privileged=True, allowPrivilegeEscalation=True), "privileged"),
    ],
)
def test_a_worker_that_could_do_more_is_refused(applied, change, named):
    template = pods()["cpu"]
    change(template["spec"], template["spec"]["containers"][0]["securityContext"])

    result = tried(template, f"agrivision{applied}")

    assert result.returncode != 0
    assert 'violates PodSecurity "restricted' in result.stderr
    assert named in result.stderr


def test_a_training_beyond_the_quota_is_refused(applied):
    template = pods()["cpu"]
    template["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "257"

    result = tried(template, f"agrivision{applied}")

    assert result.returncode != 0
    assert "exceeded quota: agrivision" in result.stderr
