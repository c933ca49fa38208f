"""Reads the Argo workflow as which Kubeflow runs the pipeline: its tasks, and the pods of its steps. Pure functions.

Past 1 MB, which is some 20 partitions, Argo compresses the nodes of a workflow. Kubeflow's own list of tasks then ends
with those that it knew before; the workflow still has all of them.
"""

import base64
import dataclasses
import datetime
import re
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from pipeline.display import SWEEP_STEPS

_MOST_NODES_BYTES = 256_000_000  # unpacked; a partition has some 50 kB
_GZIP = 16 + zlib.MAX_WBITS  # of zlib: with gzip's header
# The name of a step's pod: "<workflow>(0).root(0).for-loop-1(0).….shard(0).executor(1)", and that of its driver's
# "….shard-driver(0)". The numbers count attempts, and are absent where there can be only one; a step that is there
# several times is "trial-2" from the second time on.
_POD = re.compile(r".*\.(?P<step>[a-z]+)(?:-\d+)?(?:(?:\(\d+\))?\.executor|(?P<driver>-driver))(\(\d+\))?")
# What Argo says of a pod that the API server refused, in the words of the latter.
_REFUSAL = re.compile(r"\bis forbidden: |\bis invalid: |\badmission webhook .* denied")
# Argo's phases, as the states of Kubeflow.
_STATES = {"Error": "FAILED", "Omitted": "SKIPPED", "Daemoned": "RUNNING"}
_NEVER = "0001-01-01T00:00:00Z"


@dataclasses.dataclass(frozen=True)
class Task:
    """A task of a run, with the fields of a V2beta1PipelineTaskDetail that count here."""

    display_name: str
    state: str
    start_time: datetime.datetime | None
    end_time: datetime.datetime | None


@dataclasses.dataclass(frozen=True)
class Pod:
    """The pod of a step or of its driver, or a placeholder for one that was not needed.

    Attributes:
      is_driver: It only prepares the step's own pod.
      cached: No pod ran, because Kubeflow had the result of an equal task.
      failed: The pod failed; another attempt may have followed.
      running: The pod runs.
      waiting: The pod waits, for a node or an image.
      refused: Kubernetes refused to create the pod.
      message: How the pod ended, what it waits for, or why there is none, as reported by Kubernetes or Argo.
      seconds: How long there was a pod, waiting included; None if it has not ended, or never was.
    """

    step: str
    name: str
    namespace: str
    started_at: str
    is_driver: bool
    cached: bool
    failed: bool
    running: bool
    waiting: bool
    refused: bool
    message: str
    seconds: float | None = None


@dataclasses.dataclass(frozen=True)
class Workflow:
    """What a workflow tells of a run.

    Attributes:
      pods: In the order in which they started.
      is_packed: Its nodes were compressed, so that Kubeflow's own list of tasks is not complete.
      is_terminated: Somebody ended the run.
    """

    tasks: tuple[Task, ...] = ()
    pods: tuple[Pod, ...] = ()
    is_packed: bool = False
    is_terminated: bool = False


def read_workflow(manifest: str | bytes) -> Workflow:
    """Returns what a workflow tells.

    Args:
      manifest: The workflow, as JSON.

    Raises:
      ValueError, KeyError, TypeError, AttributeError: if it is none.
    """
    workflow = msgspec.json.decode(manifest)
    status, metadata = workflow.get("status") or {}, workflow["metadata"]
    packed = status.get("compressedNodes") or ""
    nodes = [*(_unpacked(packed) if packed else status.get("nodes") or {}).values()]
    pods = [pod for node in nodes if (pod := _pod(node, metadata["name"], metadata.get("namespace", "")))]
    return Workflow(
        tasks=tuple(_task(node) for node in nodes),
        pods=tuple(sorted(pods, key=lambda pod: (pod.started_at, pod.name))),
        is_packed=bool(packed),
        # Kubeflow ends a workflow by this deadline.
        is_terminated=(workflow.get("spec") or {}).get("activeDeadlineSeconds") == 0,
    )


def _unpacked(text: str) -> dict[str, Any]:
    stream = zlib.decompressobj(_GZIP)
    try:
        content = stream.decompress(base64.b64decode(text), _MOST_NODES_BYTES)
    except zlib.error as error:
        raise ValueError(f"the nodes of the workflow are not gzip: {error}") from error
    if not stream.eof:
        raise ValueError(f"the nodes of the workflow end early, or are more than {_MOST_NODES_BYTES / 1e6:.0f} MB")
    nodes: dict[str, Any] = msgspec.json.decode(content)
    return nodes


def _task(node: Mapping[str, Any]) -> Task:
    phase = node.get("phase") or ""
    started, finished = _times(node)
    return Task(node.get("displayName") or "", _STATES.get(phase, phase.upper()), started, finished)


def _times(node: Mapping[str, Any]) -> list[datetime.datetime | None]:
    """Returns when a node started and ended; None for what has not happened."""
    times = [node.get(name) or _NEVER for name in ("startedAt", "finishedAt")]
    return [None if time == _NEVER else datetime.datetime.fromisoformat(time) for time in times]


def _seconds(node: Mapping[str, Any]) -> float | None:
    started, finished = _times(node)
    return max(0.0, (finished - started).total_seconds()) if started and finished else None


def _pod(node: Mapping[str, Any], workflow: str, namespace: str) -> Pod | None:
    match = _POD.fullmatch(node["name"])
    # The attempts of a step are under one parent node.
    if match is None or match["step"] not in SWEEP_STEPS or node.get("type") not in ("Pod", "Skipped"):
        return None
    message, phase = " ".join((node.get("message") or "").split()), node.get("phase")
    return Pod(
        step=match["step"],
        # Argo has named pods this way since 3.4.
        name=f"{workflow}-{node.get('templateName', '')}-{node['id'].rpartition('-')[2]}",
        namespace=namespace,
        started_at=node.get("startedAt") or "",
        is_driver=match["driver"] is not None,
        cached=node["type"] == "Skipped",
        failed=phase in ("Failed", "Error"),
        running=phase == "Running",
        waiting=phase == "Pending",
        refused=phase == "Error" and bool(_REFUSAL.search(message)),
        message=message,
        seconds=_seconds(node) if node["type"] == "Pod" else None,
    )
