"""What is sent to Kubernetes for each node pool, as golden files.

`python tests/train/launch/pods/test_train_job.py` writes them anew.
"""

import dataclasses
from pathlib import Path

import pytest
import yaml

from components.train.launch.pods.job import DEADLINE_SECONDS, PodGang, digest, render, render_service
from components.train.launch.pods.network_policy import render_policy
from components.train.launch.pods.pod_template import GRACE_SECONDS, WorkerPod
from components.train.settings.node_pools import PROFILES, Pool

GOLDEN = Path(__file__).parents[3] / "golden"
CLAIM = {"name": "data", "persistentVolumeClaim": {"claimName": "agrivision-data"}}
MOUNT = {"name": "data", "mountPath": "/mnt/agrivision"}


def gang_on(pool: Pool, num_pods: int = 2, **changes: object) -> PodGang:
    pod = WorkerPod(
        image="registry.example/agrivision-python:1.0",
        spec_uri="gs://bucket/training/0123456789abcdef/logs/launch-1/attempt-2-spec.json",
        pool=pool,
        service_account="agrivision-worker",
    )
    gang = PodGang(
        namespace="agrivision", training="agrivision-0123456789abcdef-a1b2c3", attempt=2, num_pods=num_pods, pod=pod
    )
    return dataclasses.replace(gang, **changes)


def cases() -> dict[str, PodGang]:
    found = {name: gang_on(pool, 1 if "tpu" in name else 2) for name, pool in PROFILES.items()}
    on_cpu = found["cpu"]
    with_claim = dataclasses.replace(on_cpu.pod, volumes=(CLAIM,), volume_mounts=(MOUNT,))
    return {
        **found,
        "volume": dataclasses.replace(on_cpu, pod=with_claim, owner=("train-step", "7d3c")),
        "queue": dataclasses.replace(on_cpu, queue="gpus"),
        "jobset": dataclasses.replace(on_cpu, api="jobset"),
    }


def text_of(gang: PodGang) -> str:
    gang = dataclasses.replace(gang, digest=digest(gang, b"{}"))
    objects = [render_policy(gang), render(gang), *([render_service(gang, "0a1b")] if gang.api == "job" else [])]
    return yaml.safe_dump_all(objects, sort_keys=False, width=120)


@pytest.mark.parametrize("name", cases())
def test_what_is_sent_is_what_was_looked_at(name: str) -> None:
    assert text_of(cases()[name]) == (GOLDEN / f"train-{name}.yaml").read_text(), f"python {__file__}"


@pytest.mark.parametrize("name", cases())
def test_kubernetes_knows_every_field(name: str) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate")
    for rendered in yaml.safe_load_all((GOLDEN / f"train-{name}.yaml").read_text()):
        if rendered["kind"] == "JobSet":
            continue  # no part of Kubernetes, so it has no schema of it
        validate.validate(rendered, "1.31", strict=True)


@pytest.mark.parametrize("gang", cases().values(), ids=cases())
def test_pods_know_each_other_by_the_names_that_kubernetes_gives_them(gang: PodGang) -> None:
    rendered = render(gang)
    if gang.api == "job":
        job, subdomain = rendered["metadata"]["name"], rendered["spec"]["template"]["spec"]["subdomain"]
    else:
        # A JobSet names its Jobs <jobset>-<replicated job>-<number>, and its Service as it is told.
        (replicated,) = rendered["spec"]["replicatedJobs"]
        job = f"{rendered['metadata']['name']}-{replicated['name']}-0"
        subdomain = rendered["spec"]["network"]["subdomain"]
    assert gang.addresses == tuple(f"{job}-{index}.{subdomain}:2222" for index in range(gang.num_pods))
    assert all(len(address.split(".")[0]) <= 63 for address in gang.addresses), "a host's name is no longer"
    assert gang.rendezvous == (f"{job}-0.{subdomain}:2223" if gang.num_pods > 1 else "")


@pytest.mark.parametrize("gang", cases().values(), ids=cases())
@pytest.mark.parametrize(
    ("change", "belongs"),
    [
        ({}, True),
        ({"training": "agrivision-fedcba9876543210-a1b2c3"}, False),
        ({"attempt": 3}, False),  # what is left of one attempt has no business with the next
    ],
)
def test_a_gang_lets_in_its_own_pods_and_nobody_else(gang: PodGang, change: dict[str, object], belongs: bool) -> None:
    spec = render_policy(gang)["spec"]
    members = spec["podSelector"]["matchLabels"].items()
    assert spec["ingress"] == [{"from": [{"podSelector": {"matchLabels": dict(members)}}]}]
    assert spec["egress"][0] == {"to": spec["ingress"][0]["from"]}
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    other = render(dataclasses.replace(gang, **change))["spec"]
    job = other if gang.api == "job" else other["replicatedJobs"][0]["template"]["spec"]
    assert (members <= job["template"]["metadata"]["labels"].items()) == belongs


def test_no_worker_is_left_ninety_seconds_after_its_launcher() -> None:
    assert DEADLINE_SECONDS + GRACE_SECONDS + 5 < 90


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({"attempt": 3}, True),
        ({"owner": ("another-step", "8e4d")}, True),  # a step that follows the one that was lost
        ({"num_pods": 3}, False),
        ({"queue": "gpus"}, False),
        ({"pod": gang_on(PROFILES["gke-gpu-l4"]).pod}, False),
        ({"pod": dataclasses.replace(gang_on(PROFILES["cpu"]).pod, spec_uri="gs://bucket/other.json")}, True),
        ({"pod": dataclasses.replace(gang_on(PROFILES["cpu"]).pod, image="another")}, False),
    ],
)
def test_the_digest_is_that_of_a_training_and_not_of_an_attempt(change: dict[str, object], is_same: bool) -> None:
    gang = gang_on(PROFILES["cpu"])
    assert (digest(gang, b"{}") == digest(dataclasses.replace(gang, **change), b"{}")) == is_same
    assert digest(gang, b"{}") != digest(gang, b'{"epochs": 3}')


if __name__ == "__main__":
    for case, gang in cases().items():
        (GOLDEN / f"train-{case}.yaml").write_text(text_of(gang))
