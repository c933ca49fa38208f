"""The manifests: what they build, who may do what, what pods may reach, and what the schemas of Kubernetes say."""

import re
import shutil

import pytest
import yaml
from built_manifests import MANIFESTS, build, find, may_reach

from components.train.launch.pods.job import PodGang
from components.train.launch.pods.network_policy import render_policy
from components.train.launch.pods.pod_template import WorkerPod
from components.train.settings.node_pools import PROFILES

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl to build kustomizations")

NAMESPACES = {
    "base": {"agrivision"},
    "runs": {"kubeflow"},
    "demo": {"agrivision"},
    "overlays/kind": {"agrivision", "kubeflow"},
    "overlays/gke": {"agrivision", "kubeflow"},
    "overlays/nfs": {"agrivision", "kubeflow"},
    "overlays/serving": {"agrivision-serving"},
    "overlays/serving-canary": {"agrivision-serving"},
    "overlays/serving-canary-knative": {"agrivision-serving"},
}
CLUSTER_WIDE = {"Namespace", "PersistentVolume"}


@pytest.mark.parametrize("name", NAMESPACES)
def test_a_kustomization_builds_into_its_namespaces(name):
    documents = build(name)

    found = {d["metadata"].get("namespace") for d in documents if d["kind"] not in CLUSTER_WIDE}
    assert found == NAMESPACES[name]
    assert {d["metadata"]["labels"]["app.kubernetes.io/part-of"] for d in documents} == {"agrivision-kfp"}


@pytest.mark.parametrize("name", NAMESPACES)
def test_every_document_fits_the_schema_of_kubernetes(name):
    validate = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate")

    for document in build(name):
        if document["apiVersion"].startswith("serving.kserve.io/"):
            continue  # no part of Kubernetes, so it has no schema of it
        validate.validate(document, "1.33", strict=True)


@pytest.mark.parametrize("name", ["base", "demo", "overlays/kind", "overlays/gke", "overlays/nfs"])
def test_the_workers_namespace_enforces_restricted(name):
    labels = find(name, "Namespace")["metadata"]["labels"]

    for mode in ("enforce", "warn", "audit"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


def test_the_launcher_may_do_what_a_training_takes_and_the_worker_nothing():
    rules = find("base", "Role")["rules"]
    granted = {
        (group, resource): set(rule["verbs"])
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert granted == {
        ("batch", "jobs"): {"create", "get", "list", "watch", "patch", "delete"},
        ("", "services"): {"create", "get", "delete"},
        ("networking.k8s.io", "networkpolicies"): {"create", "get", "patch", "delete"},
        ("", "pods"): {"get", "list", "watch"},
        ("", "pods/log"): {"get"},
        ("", "events"): {"list"},
    }

    bound = {(s["namespace"], s["name"]) for s in find("base", "RoleBinding")["subjects"]}
    assert bound == {("kubeflow", "pipeline-runner"), ("agrivision", "agrivision-launcher")}
    assert find("base", "ServiceAccount", "agrivision-worker")["automountServiceAccountToken"] is False
    kinds = {d["kind"] for name in NAMESPACES for d in build(name)}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}


@pytest.mark.parametrize(
    ("address", "port", "in_base", "on_gke"),
    [
        ("142.250.1.1", 443, True, True),  # a bucket
        ("142.250.1.1", 80, False, False),
        ("10.96.0.1", 443, False, False),  # the API server
        ("192.168.1.1", 443, False, False),
        ("169.254.169.254", 443, False, False),
        ("100.64.0.1", 443, False, False),  # a carrier's, and pods of some clusters
        ("240.0.0.1", 443, False, False),
        ("169.254.169.254", 80, False, True),  # tokens of Workload Identity
        ("169.254.169.252", 988, False, True),
        ("169.254.20.10", 53, False, True),  # the node's DNS cache
    ],
)
def test_pods_reach_storage_and_nothing_else_outside(address, port, in_base, on_gke):
    assert may_reach("base", address, port) is in_base
    assert may_reach("overlays/gke", address, port) is on_gke


@pytest.mark.parametrize("name", ["base", "demo", "overlays/kind", "overlays/gke", "overlays/nfs"])
def test_nothing_comes_in_and_no_pod_reaches_another(name):
    policies = {d["metadata"]["name"]: d["spec"] for d in build(name) if d["kind"] == "NetworkPolicy"}

    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert not any("ingress" in spec for spec in policies.values())
    places = [to for spec in policies.values() for rule in spec.get("egress", ()) for to in rule["to"]]
    assert [to for to in places if "ipBlock" not in to] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    ]
    assert {port["port"] for rule in policies["dns"]["egress"] for port in rule["ports"]} == {53}


def test_what_the_launcher_s_policies_let_workers_reach_is_what_the_namespace_does():
    pod = WorkerPod(image="image", spec_uri="", pool=PROFILES["cpu"])
    gang = PodGang(namespace="agrivision", training="training", attempt=1, num_pods=2, pod=pod)
    policies = {d["metadata"]["name"]: d["spec"] for d in build("base") if d["kind"] == "NetworkPolicy"}

    _, *elsewhere = render_policy(gang)["spec"]["egress"]

    assert elsewhere == [*policies["dns"]["egress"], *policies["storage"]["egress"]]


def test_the_settings_of_a_cluster_are_those_that_the_project_reads():
    from components import environment

    for name in ("runs", "overlays/kind", "overlays/gke"):
        settings = find(name, "ConfigMap", "agrivision")
        assert settings["metadata"]["namespace"] == "kubeflow"
        for key in settings["data"]:
            assert f"{key}:" in environment.__doc__
    explained = re.findall(r"AGRIVISION_\w+", (MANIFESTS / "runs/settings.yaml").read_text().split("apiVersion")[0])
    assert explained
    assert all(f"{key}:" in environment.__doc__ for key in explained)


@pytest.mark.parametrize("name", ["runs", "overlays/kind", "overlays/gke"])
def test_workers_run_in_the_namespace_and_as_the_account_that_base_makes(name):
    settings = find(name, "ConfigMap", "agrivision")["data"]
    account = find("base", "ServiceAccount", settings["AGRIVISION_WORKER_SERVICE_ACCOUNT"])

    assert account["metadata"]["namespace"] == settings["AGRIVISION_WORKER_NAMESPACE"]
    assert find("base", "Namespace")["metadata"]["name"] == settings["AGRIVISION_WORKER_NAMESPACE"]


def test_on_kind_runs_and_workers_see_one_folder_of_every_node_that_takes_pods():
    volumes = {d["metadata"]["name"]: d["spec"] for d in build("overlays/kind") if d["kind"] == "PersistentVolume"}
    claims = {
        d["metadata"]["namespace"]: d["spec"]
        for d in build("overlays/kind")
        if d["kind"] == "PersistentVolumeClaim" and d["metadata"]["name"] == "agrivision-data"
    }
    cluster = yaml.safe_load((MANIFESTS / "overlays/kind/cluster.yaml").read_text())

    assert set(claims) == {"agrivision", "kubeflow"}
    for namespace, claim in claims.items():
        volume = volumes[claim["volumeName"]]
        assert volume["claimRef"] == {"namespace": namespace, "name": "agrivision-data"}
        assert claim["storageClassName"] == ""  # else the cluster's default, which would make a volume of its own
        assert "storageClassName" not in volume  # an empty one reads back as none, and every apply would change it
        assert volume["accessModes"] == claim["accessModes"] == ["ReadWriteMany"]
    (folder,) = {volume["hostPath"]["path"] for volume in volumes.values()}
    for node in cluster["nodes"]:
        mounted = [mount["containerPath"] for mount in node.get("extraMounts", ())]
        assert mounted == ([folder] if node["role"] == "worker" else [])


def test_on_kind_a_node_passes_for_one_of_gkes_l4_pool():
    nodes = yaml.safe_load((MANIFESTS / "overlays/kind/cluster.yaml").read_text())["nodes"]
    profile = PROFILES["gke-gpu-l4"]

    (node,) = [n for n in nodes if profile.node_selector.items() <= n.get("labels", {}).items()]
    (patch,) = node["kubeadmConfigPatches"]
    (taint,) = yaml.safe_load(patch)["nodeRegistration"]["taints"]
    assert {"key": taint["key"], "operator": "Exists", "effect": taint["effect"]} in profile.tolerations


def test_on_kind_the_ports_of_this_machine_lead_to_kubeflow():
    nodes = yaml.safe_load((MANIFESTS / "overlays/kind/cluster.yaml").read_text())["nodes"]
    opened = {m["containerPort"]: m["hostPort"] for n in nodes for m in n.get("extraPortMappings", ())}
    services = [d["spec"] for d in build("overlays/kind") if d["kind"] == "Service"]

    leads = {opened[s["ports"][0]["nodePort"]]: (s["selector"]["app"], s["ports"][0]["targetPort"]) for s in services}
    assert leads == {8888: ("ml-pipeline", 8888), 8080: ("ml-pipeline-ui", 3000)}
    assert all(m["listenAddress"] == "127.0.0.1" for n in nodes for m in n.get("extraPortMappings", ()))


def test_on_gke_there_is_no_volume_and_accounts_are_googles():
    assert "PersistentVolumeClaim" not in {d["kind"] for d in build("overlays/gke")}
    for document in build("overlays/gke"):
        if document["kind"] == "ServiceAccount":
            google = document["metadata"]["annotations"]["iam.gke.io/gcp-service-account"]
            assert google.endswith("@my-project.iam.gserviceaccount.com")


def test_every_profile_that_the_gke_page_names_has_the_labels_that_it_gives():
    page = (MANIFESTS / "overlays/gke/README.md").read_text()
    rows = re.findall(r"^\| `(gke-[\w-]+)` \| [\w-]+ \| (.*?) \| `(\S+?)=", page, re.MULTILINE)

    assert {name for name, _, _ in rows} == {"gke-gpu-l4", "gke-gpu-a100", "gke-tpu-v5e"}
    for name, labels, taint in rows:
        assert dict(re.findall(r"`(\S+)=(\S+)`", labels)) == dict(PROFILES[name].node_selector)
        assert taint in {toleration["key"] for toleration in PROFILES[name].tolerations}


def test_the_gke_page_gives_workers_no_right_on_the_models():
    page = (MANIFESTS / "overlays/gke/README.md").read_text()
    rows = dict(re.findall(r"^\| `(agrivision-\w+)` \|(.*)\|$", page, re.MULTILINE))

    data, models, source = (cell.strip() for cell in rows["agrivision-worker"].split("|"))
    assert (models, source) == ("none", "none")
    assert data == "*Storage Object Viewer*, and *Storage Object User* under `training/`"


@pytest.mark.parametrize("name", ["base", "demo", "overlays/kind", "overlays/gke", "overlays/nfs"])
def test_every_container_has_a_limit_of_memory_and_of_disk_and_every_scratch_folder_one_of_its_size(name):
    for job in (d for d in build(name) if d["kind"] == "Job"):
        pod = job["spec"]["template"]["spec"]
        for container in [*pod["initContainers"], *pod["containers"]]:
            assert set(container["resources"]["limits"]) == {"memory", "ephemeral-storage"}
        assert all("sizeLimit" in volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume)
    for limits in (d for d in build(name) if d["kind"] == "LimitRange"):
        assert set(limits["spec"]["limits"][0]["default"]) == {"memory", "ephemeral-storage"}


def test_the_demo_runs_the_pipeline_in_the_image_that_the_pipeline_names():
    from components.environment import DEFAULT_IMAGE

    pod = find("demo", "Job")["spec"]["template"]["spec"]

    containers = [*pod["initContainers"], *pod["containers"]]
    assert {c["image"] for c in containers} == {DEFAULT_IMAGE}
    assert pod["automountServiceAccountToken"] is False
    assert all(c["securityContext"]["readOnlyRootFilesystem"] for c in containers)
    assert pod["serviceAccountName"] in {d["metadata"]["name"] for d in build("demo") if d["kind"] == "ServiceAccount"}
