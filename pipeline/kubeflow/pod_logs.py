"""Reads the log of a step's pod: from Kubeflow, or else from Kubernetes.

A Kubeflow Pipelines for one user has only the logs of pods that have ended: it looks for the others in no namespace.
Kubernetes is asked where this machine has a kubeconfig. It may be that of another cluster, where there is no such pod.
"""

import contextlib
import functools
from typing import Any

from components.errors import AgrivisionError
from components.progress import Line, parse_line
from pipeline.kubeflow.client import Kubeflow
from pipeline.kubeflow.time_limit import within
from pipeline.kubeflow.workflow import Pod

_KUBERNETES_SECONDS = 10.0
_CONTAINER = "main"
_TAIL_LINES = 200


class PodLogs:
    """The logs of one run's pods."""

    def __init__(self, kubeflow: Kubeflow, run_id: str) -> None:
        self._kubeflow, self._run_id = kubeflow, run_id
        self._kubernetes: Any = None
        self._kubernetes_answers = True

    def last_line(self, pod: Pod) -> Line | None:
        """Returns the last line in our format; None if there is none, or no log to be had."""
        log = self._of_kubeflow(pod)
        if log is None and pod.running:
            log = self._of_kubernetes(pod)
        last = None
        for text in (log or b"").decode(errors="replace").splitlines():
            last = parse_line(text) or last
        return last

    def _of_kubeflow(self, pod: Pod) -> bytes | None:
        with contextlib.suppress(AgrivisionError):
            return self._kubeflow.get("/apis/v1alpha1/runs/{run_id}/nodes/{pod}/log", self._run_id, pod=pod.name)
        return None

    def _of_kubernetes(self, pod: Pod) -> bytes | None:
        if not self._kubernetes_answers:
            return None
        try:
            return within(_KUBERNETES_SECONDS, functools.partial(self._read_log, pod)) or None
        except Exception:  # whatever a kubeconfig may hold, and its cluster do: a run is followed without it
            self._kubernetes_answers = False
            return None

    def _read_log(self, pod: Pod) -> bytes:
        if self._kubernetes is None:
            # Imported here because it takes a second, and most runs never need it.
            from components.train.launch.pods.api import Kubernetes

            self._kubernetes = Kubernetes()
        log: bytes = self._kubernetes.read_log(pod.namespace, pod.name, container=_CONTAINER, tailLines=_TAIL_LINES)
        return log


def command(pod: Pod) -> str:
    """Returns what shows the log of a pod."""
    return f"kubectl -n {pod.namespace} logs {pod.name} -c {_CONTAINER}"
