"""The nodes of a cluster, and GPUs that they have on paper only."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pods_on_cluster import kubectl

from components.train.settings.node_pools import GPU


def nodes() -> list[dict[str, Any]]:
    """Returns the nodes that take pods."""
    items = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    return [node for node in items if not node["spec"].get("unschedulable")]


@contextlib.contextmanager
def pretended_gpus(count: int, labels: Mapping[str, str], taint: str = "") -> Iterator[str]:
    """Makes one node pass for one with GPUs, and yields its name.

    Args:
      labels: That it has besides.
      taint: As kubectl takes it, "key=value:effect"; empty for none.
    """
    name = next((node["metadata"]["name"] for node in nodes() if GPU not in node["status"]["capacity"]), "")
    if not name:
        pytest.skip("needs a node that has no GPUs, to pretend that it has")
    status = ("patch", "node", name, "--subresource=status", "--type=merge", "-p")
    try:
        kubectl("label", "node", name, *(f"{key}={value}" for key, value in labels.items()))
        kubectl(*status, json.dumps({"status": {"capacity": {GPU: f"{count}"}, "allocatable": {GPU: f"{count}"}}}))
        if taint:
            kubectl("taint", "node", name, taint)
        yield name
    finally:
        if taint:
            kubectl("taint", "node", name, f"{taint}-")
        kubectl(*status, json.dumps({"status": {"capacity": {GPU: None}, "allocatable": {GPU: None}}}))
        kubectl("label", "node", name, *(f"{key}-" for key in labels))
