"""Web proxies in the environment, as on the networks of companies and universities: workers need none to meet."""

import json
from pathlib import Path

import pytest
from train_fixtures import TUNING, train, write_data
from worker_specs import changed, spec_in

from components import environment
from components.train.peers.job_member import take_place

NOBODY = "http://127.0.0.1:9"
PROXIES = ("grpc_proxy", "https_proxy", "http_proxy", "all_proxy")


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.setenv(name, NOBODY)
        monkeypatch.setenv(name.upper(), NOBODY)
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "strategy", ["multi_worker_mirrored", pytest.param("parameter_server", marks=pytest.mark.long)]
)
def test_two_workers_train_where_every_proxy_is_dead(proxies: None, tmp_path: Path, strategy: str) -> None:
    write_data(tmp_path, num_train=16, num_val=8, size_px=48)
    receipt = train(tmp_path, 2, {**TUNING, "epochs": 1}, strategy=strategy)
    assert receipt.num_restarts == 0


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (None, "worker-0.workers,localhost"),
        ("", "worker-0.workers,localhost"),
        ("corp.example,localhost", "corp.example,localhost,worker-0.workers"),
    ],
)
def test_a_worker_names_its_peers_to_grpc_and_leaves_the_proxies_to_all_else(
    proxies: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, known: str | None, expected: str
) -> None:
    if known is not None:
        monkeypatch.setenv("no_grpc_proxy", known)
    else:
        monkeypatch.setenv("no_grpc_proxy", "x")  # so that it is undone
        monkeypatch.delenv("no_grpc_proxy")
    cluster = {"worker": ["worker-0.workers:2222", "localhost:2222"], "ps": ["localhost:2223"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 0}}))
    take_place(changed(spec_in(tmp_path), addresses=()))
    told = environment.child_environment({})
    assert (told["no_grpc_proxy"], told["https_proxy"]) == (expected, NOBODY)


def test_a_child_has_the_proxies_of_its_parent(proxies: None) -> None:
    told = environment.child_environment({})
    assert {name: told[name] for name in PROXIES} == dict.fromkeys(PROXIES, NOBODY)
