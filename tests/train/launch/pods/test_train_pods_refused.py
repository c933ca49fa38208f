"""Launches that a real API server refuses: one line, exit code 2, and nothing is started."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pods_on_cluster import BUCKET_MARKS, Workplace, kubectl
from pods_training import SMALL, settings, train_in_pods

from components.errors import EXIT_SETTINGS
from components.progress import StepLog
from components.train.launch.pods.api_answers import Refused
from components.train.launch.pods.task_config import TaskSettings

pytestmark = [*BUCKET_MARKS, pytest.mark.usefixtures("use_the_workplace")]
ROLE = "agrivision-launcher"
WAY_OUT = "; the account of the train step needs the launcher's Role in that namespace, see manifests/base"


@pytest.fixture
def without_policies(place: Workplace) -> Iterator[None]:
    """Takes from the Role what network policies need."""
    rules = json.loads(kubectl("get", "role", ROLE, "-n", place.namespace, "-o", "json"))["rules"]
    left = [rule for rule in rules if rule["resources"] != ["networkpolicies"]]
    assert len(left) == len(rules) - 1
    give(place, left)
    yield
    give(place, rules)


def give(place: Workplace, rules: list[dict[str, Any]]) -> None:
    kubectl("patch", "role", ROLE, "-n", place.namespace, "--type=merge", "-p", json.dumps({"rules": rules}))


def refusal(bucket_data: tuple[str, Path], seed: int) -> str:
    """Returns the one line with which a launch ends."""
    with pytest.raises(Refused, match="forbidden") as refused:
        train_in_pods(settings(bucket_data, seed, 1), TaskSettings(SMALL), StepLog("train"))
    assert refused.value.exit_code == EXIT_SETTINGS == 2
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.usefixtures("without_policies")
def test_a_launcher_that_may_make_no_network_policies_starts_no_pod(
    bucket_data: tuple[str, Path], place: Workplace
) -> None:
    said = refusal(bucket_data, 71)

    assert said.startswith("cannot create networkpolicy 'agrivision-")
    assert said.endswith(WAY_OUT)
    assert place.left() == ""


def test_where_the_base_was_never_applied_nothing_is_started(
    bucket_data: tuple[str, Path], place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGRIVISION_WORKER_NAMESPACE", f"{place.namespace}-that-nobody-made")

    said = refusal(bucket_data, 72)

    assert f"in namespace '{place.namespace}-that-nobody-made': " in said
    assert said.endswith(WAY_OUT)
    assert place.left() == ""
