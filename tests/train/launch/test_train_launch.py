"""Requests to the Kubernetes API, and what is done about each way in which one fails."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gate_proxy import GateProxy
from kubernetes_server import ScriptedKubernetes

from components import retrying
from components.errors import SettingsError, UnreachableError
from components.train.launch.pods import api as launch
from components.train.launch.pods.api import Kubernetes
from components.train.launch.pods.api_answers import CONFLICT, Refused

JOB: dict[str, Any] = {"metadata": {"name": "job", "namespace": "agrivision"}, "spec": {"suspend": True}}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedKubernetes]:
    monkeypatch.setattr(retrying, "_FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(launch, "_TIMEOUT_SECONDS", (1, 1))
    with ScriptedKubernetes() as scripted:
        monkeypatch.setenv("KUBECONFIG", str(scripted.write_kubeconfig(tmp_path)))
        scripted.objects["jobs", "job"] = JOB
        yield scripted


@pytest.mark.parametrize(
    ("faults", "least_seconds"),
    [
        ([408], 0.0),
        ([500], 0.0),
        ([502, 503, 504], 0.0),
        ([429], 0.0),
        ([(429, {"Retry-After": "1"})], 1.0),
        ([(503, {"Retry-After": "1"})], 1.0),
        ([(429, {"Retry-After": "in a while"})], 0.0),
        (["cut"], 0.0),
        ([1.2], 1.0),  # it does not answer in time
        (["cut", 500, "cut", 429], 0.0),
    ],
    ids=str,
)
def test_what_may_pass_is_asked_again(server: ScriptedKubernetes, faults: list[Any], least_seconds: float) -> None:
    server.faults = list(faults)
    began = time.monotonic()
    assert Kubernetes().get("job", "agrivision", "job").body["spec"] == JOB["spec"]
    assert time.monotonic() - began >= least_seconds
    assert len(server.requests) == len(faults) + 1


@pytest.mark.parametrize(
    ("status", "way_out"),
    [
        (400, "the API server answered 400"),
        (403, "the account of the train step needs the launcher's Role in that namespace"),
        (404, "is there such a namespace, and for a jobset its controller"),
        (409, "another launch may have changed it"),
        (422, "is a setting of the node pool, or of a volume, not what Kubernetes expects"),
    ],
)
def test_what_will_not_pass_is_said_in_one_line(server: ScriptedKubernetes, status: int, way_out: str) -> None:
    server.faults = [status]
    with pytest.raises(Refused, match="cannot create job 'job' in namespace 'agrivision': on request; ") as error:
        Kubernetes().create("job", JOB)
    assert way_out in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.status == status
    assert len(server.requests) == 1


def test_a_token_that_was_renewed_is_read_anew(server: ScriptedKubernetes, tmp_path: Path) -> None:
    server.token = "first"
    (tmp_path / "token").write_text("first")
    api = Kubernetes()
    api.get("job", "agrivision", "job")
    server.token = "second"
    threading.Timer(0.1, (tmp_path / "token").write_text, ["second"]).start()
    api.get("job", "agrivision", "job")


def test_a_token_that_is_never_accepted_is_final(server: ScriptedKubernetes) -> None:
    server.token = "another"
    with pytest.raises(Refused, match=r"cannot read job 'job' .* the account's token is not accepted, even when it is"):
        Kubernetes().get("job", "agrivision", "job")


def test_an_object_that_was_created_though_the_answer_was_lost_is_found(server: ScriptedKubernetes) -> None:
    server.faults = ["cut after"]
    with pytest.raises(Refused, match='jobs "another" already exists') as error:
        Kubernetes().create("job", {**JOB, "metadata": {**JOB["metadata"], "name": "another"}})
    assert error.value.status == CONFLICT
    assert ("jobs", "another") in server.objects


def test_what_is_gone_already_is_deleted(server: ScriptedKubernetes) -> None:
    server.faults = ["cut after"]
    Kubernetes().delete("job", "agrivision", "job")
    assert server.objects == {}
    assert [body["propagationPolicy"] for _, _, body in server.requests] == ["Background"] * 2


def test_a_server_that_is_away_for_a_while_is_waited_for(server: ScriptedKubernetes, tmp_path: Path) -> None:
    proxy = GateProxy("127.0.0.1", server.server_port)
    config = (tmp_path / "kubeconfig").read_text().replace(str(server.server_port), str(proxy.port))
    (tmp_path / "kubeconfig").write_text(config)
    with pytest.raises(
        UnreachableError, match=r"cannot read job 'job' in .* the API server does not answer, .*refused"
    ):
        Kubernetes(patience_seconds=0.5).get("job", "agrivision", "job")
    threading.Timer(1.0, proxy.open).start()
    assert Kubernetes(patience_seconds=10.0).get("job", "agrivision", "job").body["spec"] == JOB["spec"]
    proxy.shut()


def test_without_a_cluster_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=r"no Kubernetes cluster: .*; run in a pod, or set KUBECONFIG"):
        Kubernetes()


def test_the_clusters_own_address_is_reached_without_the_web_proxy(
    server: ScriptedKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_incluster_config(client_configuration: Any) -> None:
        client_configuration.host = f"http://127.0.0.1:{server.server_port}"
        client_configuration.proxy = "http://127.0.0.1:9"  # as clients do that read https_proxy

    (tmp_path / "namespace").write_text("agrivision")
    monkeypatch.setattr(launch, "_NAMESPACE_FILE", tmp_path / "namespace")
    monkeypatch.setattr(launch.config, "load_incluster_config", load_incluster_config)
    monkeypatch.delenv("KUBECONFIG")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert Kubernetes(patience_seconds=0).get("job", "agrivision", "job").body["spec"] == JOB["spec"]
