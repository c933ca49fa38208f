"""What is said to KServe: our image serves the version that a digest names, may do nothing else, and has canaries."""

import re
import shutil

import pytest
from built_manifests import build, find, may_reach

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl to build kustomizations")

SERVING = ["overlays/serving", "overlays/serving-canary", "overlays/serving-canary-knative"]


def predictors(name):
    """The predictors of an overlay, the stable one first."""
    spec = find(name, "InferenceService")["spec"]
    return [spec["predictor"], *(canary["predictor"] for canary in spec.get("canary", ()))]


@pytest.mark.parametrize("name", SERVING)
def test_a_served_version_is_where_push_publishes_it_and_has_a_digest_of_its_own(name):
    from components.registry import version_uri

    found = {each["model"]["storageUri"]: each["model"]["args"] for each in predictors(name)}

    assert len(found) == len(predictors(name))
    for uri, (argument,) in found.items():
        assert uri == version_uri("gs://my-bucket/models", uri.rpartition("/")[2])
        assert re.fullmatch("--expect-sha256=[0-9a-f]{64}", argument)
    assert len({*map(str, found.values())}) == len(found)


@pytest.mark.parametrize("name", SERVING)
def test_a_model_is_served_by_our_image_with_options_that_the_command_has(name):
    from components.environment import DEFAULT_IMAGE
    from components.serve.settings import ServeSettings

    runtime = find(name, "ServingRuntime")
    (container,) = runtime["spec"]["containers"]

    assert container["image"] == DEFAULT_IMAGE
    assert container["command"] == ["python", "-m", "pipeline.cli", "serve", "/mnt/models"]
    for each in predictors(name):
        assert each["model"]["runtime"] == runtime["metadata"]["name"]
        given = dict(option.removeprefix("--").split("=") for option in [*container["args"], *each["model"]["args"]])
        kinds = {"port": int, "drain_seconds": float}
        values = {key.replace("-", "_"): value for key, value in given.items()}
        values = {key: kinds.get(key, str)(value) for key, value in values.items()} | {"name": "agrivision"}
        settings = ServeSettings(**values)
        pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert each["terminationGracePeriodSeconds"] >= pause + settings.drain_seconds + 10
    (port,) = container["ports"]
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    assert {probe["port"] for probe in probes} == {port["containerPort"]} == {settings.port}
    assert [probe["path"] for probe in probes] == ["/v2/health/live", "/v2/health/live", "/v2/health/ready"]


@pytest.mark.parametrize("name", SERVING)
def test_a_server_may_do_nothing_but_serve(name):
    (container,) = find(name, "ServingRuntime")["spec"]["containers"]

    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert set(container["resources"]["limits"]) == {"memory", "ephemeral-storage"}
    for each in predictors(name):
        assert each["automountServiceAccountToken"] is False
        assert each["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    policies = {d["metadata"]["name"]: d["spec"] for d in build(name) if d["kind"] == "NetworkPolicy"}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert [policy for policy, spec in policies.items() if "ingress" in spec] == ["requests"]
    assert all("from" in rule for rule in policies["requests"]["ingress"])
    assert may_reach(name, "142.250.1.1", 443)  # a bucket
    assert not may_reach(name, "10.96.0.1", 443)  # the API server
    assert not may_reach(name, "169.254.169.254", 443)


def test_a_canary_gets_a_share_in_the_form_that_each_kserve_has():
    standard, knative = (find(name, "InferenceService") for name in SERVING[1:])

    (canary,) = standard["spec"]["canary"]
    assert canary["trafficPercent"] == knative["spec"]["predictor"]["canaryTrafficPercent"] == 10
    assert canary["predictor"]["name"] == "canary"
    modes = [each["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] for each in (standard, knative)]
    assert modes == ["Standard", "Knative"]
