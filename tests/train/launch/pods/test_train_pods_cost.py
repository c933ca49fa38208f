"""What a training with pods cost, against a recount of its pods' times from a watch of Kubernetes' own."""

import contextlib
import datetime
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pods_on_cluster import _ADMIN, ATTEMPT, BUCKET_MARKS, Workplace, kubectl
from pods_training import BackgroundTraining, settings

from components.contracts import TrainingReceipt

pytestmark = [*BUCKET_MARKS, pytest.mark.usefixtures("use_the_workplace")]

PER_HOUR = 36.0
PRICES = f"""
currency: USD
date: 2026-11-29
source: a test
profiles:
  cpu: {{per_hour: {PER_HOUR}, watts: 100}}
"""


@pytest.fixture(autouse=True)
def prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prices.yaml").write_text(PRICES)
    monkeypatch.setenv("AGRIVISION_PRICES", str(tmp_path / "prices.yaml"))


@contextlib.contextmanager
def watched(namespace: str, output: Path) -> Iterator[None]:
    """Writes every state of every worker pod to a file while it lasts."""
    watch = ["kubectl", "--kubeconfig", _ADMIN, "get", "pods", "-n", namespace, "-l", ATTEMPT, "-w", "-o", "json"]
    with open(output, "wb") as file:
        process = subprocess.Popen(watch, stdout=file)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def recounted(output: Path) -> float:
    """Returns the seconds from when each pod had a node to the end of its container, added up."""
    text, place, last = output.read_text(), 0, {}
    while (start := text.find("{", place)) >= 0:
        pod, place = json.JSONDecoder().raw_decode(text, start)
        for each in pod.get("items", [pod]):
            last[each["metadata"]["uid"]] = held(each) or last.get(each["metadata"]["uid"])
    assert last
    assert all(seconds is not None for seconds in last.values()), "the watch missed the end of a pod"
    return sum(last.values())


def held(pod: dict[str, Any]) -> float | None:
    """Returns how long a pod held its node; None if it still does."""
    placed = [each for each in pod["status"].get("conditions", ()) if each["type"] == "PodScheduled"]
    states = [each["state"].get("terminated") for each in pod["status"].get("containerStatuses", ())]
    if not placed or not states or states[0] is None:
        return None
    start, end = placed[0]["lastTransitionTime"], states[0]["finishedAt"]
    return (datetime.datetime.fromisoformat(end) - datetime.datetime.fromisoformat(start)).total_seconds()


def assert_equal_cost(receipt: TrainingReceipt, seconds: float) -> None:
    assert receipt.profile == "cpu"
    assert receipt.cost is not None
    assert receipt.pods.paid == pytest.approx(seconds, rel=0.02)
    assert receipt.cost.cost == pytest.approx(seconds * PER_HOUR / 3600, rel=0.02)


def test_cost_is_what_a_recount_of_the_pods_times_comes_to(
    bucket_data: tuple[str, Path], place: Workplace, tmp_path: Path
) -> None:
    with watched(place.namespace, tmp_path / "pods.json"):
        receipt = BackgroundTraining(settings(bucket_data, 40, 100)).finish()
    assert_equal_cost(receipt, recounted(tmp_path / "pods.json"))
    assert receipt.pods.lost == 0.0
    assert receipt.pods.running > receipt.pods.starting


def test_attempts_that_were_lost_are_a_part_of_it(
    bucket_data: tuple[str, Path], place: Workplace, tmp_path: Path
) -> None:
    with watched(place.namespace, tmp_path / "pods.json"):
        training = BackgroundTraining(settings(bucket_data, 41, 200, max_restarts=1))
        training.wait_until(lambda: place.is_training(1))
        kubectl("delete", "pod", "-n", place.namespace, place.pods()["1-1"]["metadata"]["name"], "--wait=false")
        receipt = training.finish()
    assert_equal_cost(receipt, recounted(tmp_path / "pods.json"))
    assert receipt.pods.lost > 5.0
