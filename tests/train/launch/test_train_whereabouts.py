"""Whether the pod of another launch has ended, as the Kubernetes API tells."""

import base64
import json

import pytest
from kubernetes_server import ScriptedKubernetes

from components.train.launch.pods.api import Kubernetes
from components.train.launch.pods.whereabouts import PodWhereabouts

ACCOUNT, OTHER_ACCOUNT = (f"{number}0000000-aaaa-bbbb-cccc-000000000000" for number in (1, 2))
MINE, THEIRS, STRANGE = (f"{number}0000000-1111-2222-3333-000000000000" for number in (1, 2, 3))
PLACE = f"{ACCOUNT}/agrivision/run-x7-2/{THEIRS}"


@pytest.fixture
def server(tmp_path, monkeypatch):
    with ScriptedKubernetes() as running:
        monkeypatch.setenv("KUBECONFIG", str(running.write_kubeconfig(tmp_path)))
        yield running


def token(folder, account=ACCOUNT):
    """The token of an account, with the claims of Kubernetes and no signature."""
    claims = {"kubernetes.io": {"namespace": "agrivision", "serviceaccount": {"name": "runner", "uid": account}}}
    path = folder / "account-token"
    path.write_text(f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.c2ln")
    return path


def whereabouts(folder, pod=("run-x7-1", MINE)):
    return PodWhereabouts(Kubernetes(patience_seconds=5.0), pod, token(folder))


def pod(phase, uid=THEIRS):
    return {"metadata": {"name": "run-x7-2", "uid": uid}, "status": {"phase": phase}}


def test_a_launch_tells_its_cluster_namespace_and_pod(server, tmp_path):
    assert whereabouts(tmp_path).place() == f"{ACCOUNT}/agrivision/run-x7-1/{MINE}"


@pytest.mark.parametrize(
    ("found", "has_ended"),
    [
        (pod("Running"), False),
        (pod("Pending"), False),
        (pod("Unknown"), False),  # on a node that is cut off
        (pod("Failed"), True),
        (pod("Succeeded"), True),
        (pod("Running", STRANGE), True),  # a later pod of the same name
        (None, True),
    ],
)
def test_a_pod_has_ended_when_kubernetes_says_so_of_its_uid(server, tmp_path, found, has_ended):
    if found:
        server.objects["pods", "run-x7-2"] = found
    assert whereabouts(tmp_path).has_ended(PLACE) is has_ended


@pytest.mark.parametrize("fault", [403, 500, 401, "cut"])
def test_without_an_answer_no_pod_has_ended(server, tmp_path, fault):
    here = whereabouts(tmp_path)
    server.faults = [fault] * 20
    assert here.has_ended(PLACE) is False


@pytest.mark.hostile
@pytest.mark.parametrize(
    "place",
    [
        PLACE.replace(ACCOUNT, OTHER_ACCOUNT),  # of another cluster, where this one's server knows nothing of pods
        PLACE.replace("agrivision", "elsewhere"),
        PLACE.replace("run-x7-2", "../../../../apis/batch/v1/namespaces/x/jobs"),
        PLACE.replace("run-x7-2", "run%2f.."),
        PLACE.replace("run-x7-2", ".."),
        PLACE.replace(THEIRS, ""),
        f"{PLACE}\n",
        "",
        "///",
        "x" * 300,
    ],
)
def test_a_place_that_this_cluster_cannot_know_is_not_asked_for(server, tmp_path, place):
    assert whereabouts(tmp_path).has_ended(place) is False
    assert server.requests == []


@pytest.mark.parametrize("content", [None, "", "no token", "a.b.c", "e30.e30.e30", "e30.bnVsbA.x", "e30.\u00e4.x"])
def test_without_a_token_of_an_account_a_launch_has_no_place_and_asks_nobody(server, tmp_path, content):
    path = tmp_path / "account-token"
    if content is not None:
        path.write_text(content)
    here = PodWhereabouts(Kubernetes(patience_seconds=5.0), ("run-x7-1", MINE), path)
    assert here.place() == ""
    assert here.has_ended(PLACE) is False
    assert server.requests == []


def test_outside_a_pod_a_launch_has_no_place(server, tmp_path):
    assert whereabouts(tmp_path, ("", "")).place() == ""
