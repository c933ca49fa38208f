"""Time limits for a gang's pods: to be created, to get a node, to start, and to make progress."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

from components.progress import StepLog
from components.train.launch.pods import pod_status
from components.train.launch.pods.api import Kubernetes
from components.train.launch.pods.job import PodGang
from components.train.launch.pods.pod_status import Object
from components.train.settings.worker_spec import WorkersFailed

# Reasons for a waiting container that do not go away.
_HOPELESS = frozenset({"ErrImageNeverPull", "InvalidImageName"})
# Reasons for a waiting container when nothing is wrong.
_USUAL = frozenset({"", "ContainerCreating", "PodInitializing"})


@dataclasses.dataclass(frozen=True)
class Limits:
    """How long to wait, in seconds.

    Attributes:
      created: From the creation of the Job to that of its pods.
      scheduled: For a node, which the cluster may have to add first.
      started: From being scheduled to a running container, including volumes and gigabytes of image.
      faulty: For an image or volume error to go away.
      silent: Between two lines of the chief. The chief's own watchdog gives up earlier.
      events: Between two queries for the events of a pod that does not start.
    """

    created: float = 120.0
    scheduled: float = 900.0
    started: float = 600.0
    faulty: float = 120.0
    silent: float = 2700.0
    events: float = 15.0


class PodWaits:
    """Measures how long each pod of a gang has been in its current state."""

    def __init__(self, limits: Limits, log: StepLog, events_of: Callable[[str], str]) -> None:
        """Starts measuring.

        Args:
          limits: How long to wait.
          log: The step's log.
          events_of: Returns Kubernetes' last warning about the object with a name; empty if there is none.
        """
        self._limits, self._log, self._events_of = limits, log, events_of
        self._since: dict[tuple[str, str], float] = {}
        self._said: set[str] = set()
        self._queued = ""  # last message about a Job that waits in a queue
        self._warnings: dict[str, tuple[float, str]] = {}  # (time of the query, warning), by object name

    def check(self, job: Object, present: Sequence[Object], num_pods: int) -> None:
        """Logs what the gang is waiting for, once each.

        Args:
          job: The gang's Job.
          present: The Job's pods that exist.
          num_pods: How many pods the Job should have.

        Raises:
          WorkersFailed: If a wait exceeds its limit; another attempt would do no better.
        """
        if job["spec"].get("suspend"):
            self._wait_in_queue(job)
            return
        self._queued = ""
        if len(present) < num_pods:
            self._wait_for_pods(job, len(present), num_pods)
        for pod in present:
            if pod_status.phase(pod) != "Pending":
                continue
            if reason := pod_status.unscheduled(pod):
                self._wait_for_node(pod, reason)
            else:
                self._wait_for_start(pod)

    def _wait_in_queue(self, job: Object) -> None:
        name = job["metadata"]["name"]
        if not self._queued:  # the Job may have returned to its queue
            self._since.clear()
            self._warnings.pop(name, None)
        reason = self._warning(job)
        text = f"{name} waits in its queue" + (f": {reason}" if reason else "")
        if text != self._queued:
            self._queued = text
            self._log.line(text)

    def _wait_for_pods(self, job: Object, num_present: int, num_pods: int) -> None:
        name = job["metadata"]["name"]
        if self._seconds(name, "created") > self._limits.created:
            reason = self._events_of(name) or "Kubernetes gives no reason"
            raise WorkersFailed(
                f"{num_present} of {num_pods} worker pods were created within {self._limits.created:.0f} s: {reason}"
            )

    def _wait_for_node(self, pod: Object, reason: str) -> None:
        worker, limit = f"worker {pod_status.index_of(pod)}", self._limits.scheduled
        if self._seconds(worker, "scheduled") > limit:
            raise WorkersFailed(
                f"{worker} waited {limit:.0f} s for a node: {reason}; is there a node pool that fits, with room in it?"
            )
        self._say(f"{worker} waits for a node: {reason}")

    def _wait_for_start(self, pod: Object) -> None:
        worker, limits = f"worker {pod_status.index_of(pod)}", self._limits
        reason, message = pod_status.waiting(pod)
        seconds = self._seconds(worker, "started")
        if reason in _USUAL:
            self._since.pop((worker, "faulty"), None)
            if seconds > limits.started:
                why = self._warning(pod) or reason or "Kubernetes gives no reason"
                raise WorkersFailed(f"{worker} did not start within {limits.started:.0f} s: {why}")
            if seconds > limits.events and (warning := self._warning(pod)):
                self._say(f"{worker} does not start yet: {warning}")
            return
        why = f"{reason}: {' '.join(message.split())}".rstrip(": ")
        if reason in _HOPELESS or self._seconds(worker, "faulty") > limits.faulty:
            raise WorkersFailed(f"{worker} cannot start: {why}")
        self._say(f"{worker} does not start yet: {why}")

    def _warning(self, thing: Object) -> str:
        name = thing["metadata"]["name"]
        looked, warning = self._warnings.get(name, (float("-inf"), ""))
        if time.monotonic() - looked > self._limits.events:
            warning = self._events_of(name) or warning
            self._warnings[name] = (time.monotonic(), warning)
        return warning

    def _seconds(self, name: str, step: str) -> float:
        now = time.monotonic()
        return now - self._since.setdefault((name, step), now)

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._log.line(text)


def last_warning(api: Kubernetes, gang: PodGang, name: str) -> str:
    """Returns the last warning about the Job or pod with that name, in one line; empty if there is none.

    For a Job that waits in a queue, it may be Kueue's last event, as long as Kubernetes keeps events: about an hour.
    """

    def select(selector: str) -> list[dict[str, Any]]:
        return api.select("event", gang.namespace, fieldSelector=selector)

    events = select(f"involvedObject.name={name},type=Warning")
    if gang.queue and name == gang.job_name:
        # Kueue admits a Job through a Workload, whose events say why it is not admitted, or no longer.
        prefix = f"{gang.api}-{gang.name}-"
        workloads = select("involvedObject.kind=Workload")
        events += [event for event in workloads if event["involvedObject"]["name"].startswith(prefix)]
    if not events:
        return ""
    last = max(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return f"{last.get('reason', '')}: {' '.join(str(last.get('message', '')).split())}"
