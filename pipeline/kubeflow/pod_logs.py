"""Reads the log of a step's pod: from Kubeflow, or else from Kubernetes.

A Kubeflow Pipelines for one user has only the logs of pods that have ended, and those a little later: it looks for the
others in no namespace.
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
        self._silent: set[str] = set()

    def lines(self, pod: Pod) -> list[Line]:
        """Returns the lines in our format; none if there is no log to be had."""
        # Where it has no log, Kubeflow's answer has status 200 and is an error for people to read.
        return _parsed(self._of_kubeflow(pod)) or _parsed(self._of_kubernetes(pod))

    def last_line(self, pod: Pod) -> Line | None:
        """Returns the last line in our format; None if there is none."""
        return next(reversed(self.lines(pod)), None)

    def stays_silent(self, pod: Pod) -> bool:
        """Tells whether a pod that says nothing said nothing before; one that just started is no reason for a word."""
        before = pod.name in self._silent
        self._silent.add(pod.name)
        return before

    def _of_kubeflow(self, pod: Pod) -> bytes:
        with contextlib.suppress(AgrivisionError):
            return self._kubeflow.get("/apis/v1alpha1/runs/{run_id}/nodes/{pod}/log", self._run_id, pod=pod.name)
        return b""

    def _of_kubernetes(self, pod: Pod) -> bytes:
        if self._kubernetes_answers:
            try:
                return within(_KUBERNETES_SECONDS, functools.partial(self._read_log, pod))
            except Exception:  # whatever a kubeconfig may hold, and its cluster do: a run is followed without it
                self._kubernetes_answers = False
        return b""

    def _read_log(self, pod: Pod) -> bytes:
        if self._kubernetes is None:
            # Imported here because it takes a second, and most runs never need it.
            from components.train.launch.pods.api import Kubernetes

            self._kubernetes = Kubernetes()
        log: bytes = self._kubernetes.read_log(pod.namespace, pod.name, container=_CONTAINER, tailLines=_TAIL_LINES)
        return log


def _parsed(log: bytes) -> list[Line]:
    return [line for text in log.decode(errors="replace").splitlines() if (line := parse_line(text)) is not None]


def command(pod: Pod) -> str:
    """Returns what shows the log of a pod."""
    return f"kubectl -n {pod.namespace} logs {pod.name} -c {_CONTAINER}"
