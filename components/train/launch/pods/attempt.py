"""One attempt to train with pods: creates or finds its Job, watches it by polling, and removes it."""

import contextlib
import functools
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from components.contracts import PodSeconds
from components.errors import AgrivisionError
from components.progress import StepLog
from components.train.launch.launch_dir import LaunchDir
from components.train.launch.pods import pod_status
from components.train.launch.pods.api import Kubernetes
from components.train.launch.pods.api_answers import CONFLICT, NOT_FOUND, Refused
from components.train.launch.pods.cause_of_end import Ending, find_cause
from components.train.launch.pods.deadline import Deadline
from components.train.launch.pods.job import JOB, PodGang, render, render_service
from components.train.launch.pods.log_stream import LogStream
from components.train.launch.pods.network_policy import owned_by, render_policy
from components.train.launch.pods.pod_template import CONTAINER, GRACE_SECONDS
from components.train.launch.pods.pod_times import pod_seconds
from components.train.launch.pods.pod_waits import Limits, PodWaits, last_warning
from components.train.launch.worker_output import WorkerOutput
from components.train.settings.worker_spec import WorkersFailed

_POLL_SECONDS = 1.5
_SETTLE_SECONDS = 4.0  # after one worker ends, for the others to write why they end
_LOG_SECONDS = 5.0  # to read the end of a log
_GONE_SECONDS = GRACE_SECONDS + 40.0  # from deleting a Job to the end of its pods
_POLICY_SECONDS = 60.0  # that a change of the policy's owner is tried for
_KEPT_LOG_LINES = 20_000


class Attempt:
    """A gang of pods that trains.

    Attributes:
      gang: The pods' description.
    """

    def __init__(self, api: Kubernetes, gang: PodGang, log: StepLog, limits: Limits) -> None:
        self.gang = gang
        self._api, self._log, self._limits = api, log, limits
        self._stream: LogStream | None = None
        self._chief = WorkerOutput(is_chief=True)
        self._heard = time.monotonic()  # when the chief last wrote a line
        self._seen: dict[int, pod_status.Object] = {}  # last known state of each pod, by index
        self._present: set[int] = set()
        self._former = PodSeconds()  # of pods that the queue took their nodes from
        self._deleted: set[int] = set()  # pods whose deletion was seen before anything had failed

    def protect(self) -> None:
        """Creates the network policy of pods that do not exist yet; who may not create it gets no pods."""
        self._create("networkpolicy", render_policy(self.gang))

    def create(self) -> None:
        """Creates the Job and its Service, or finds those that an earlier request or launch created."""
        made = self._create(self.gang.api, render(self.gang))
        self._own_policy(made["metadata"]["uid"])
        if self.gang.api == JOB:
            self._create("service", render_service(self.gang, made["metadata"]["uid"]))

    def _own_policy(self, uid: str) -> None:
        gang = self.gang
        self._api.patch("networkpolicy", gang.namespace, gang.name, owned_by(gang, uid), _POLICY_SECONDS)

    def _create(self, kind: str, rendered: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._api.create(kind, rendered)
        except Refused as error:
            if error.status != CONFLICT:
                raise
            return self._api.get(kind, self.gang.namespace, self.gang.name).body

    def wait(self, check: Callable[[], object]) -> Ending | None:
        """Waits for the pods; returns None when all are done, or the root cause when one has failed.

        Args:
          check: Called continually; an AgrivisionError that it raises ends the wait.

        Raises:
          WorkersFailed: If pods take too long to be created, to start or to make progress.
        """
        gang, started = self.gang, time.monotonic()
        waits = PodWaits(self._limits, self._log, functools.partial(last_warning, self._api, gang))
        with Deadline(self._api, gang.namespace, gang.job_name) as deadline:
            while True:
                check()
                deadline.check()
                present, job = self._look()
                if job is not None:
                    if pod_status.condition(job, "Complete"):
                        self._close_stream()
                        return None
                    if self._has_failed(job):
                        ended = self._settle(job, check)
                        return find_cause(self._seen, self._present, self._deleted, ended)
                    waits.check(job, present, gang.num_pods)
                elif time.monotonic() - started > self._limits.created:
                    raise WorkersFailed(
                        f"no Job was created for jobset {gang.name!r}; is the JobSet controller running?"
                    )
                self._listen()
                time.sleep(_POLL_SECONDS * random.uniform(0.7, 1.3))

    def _look(self) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """Returns the pods, and the Job or None if it does not exist yet; remembers the pods' states."""
        # In this order: if the Job is still well after a pod's deletion, its controller did not delete the pod.
        present = self._select_pods()
        job: dict[str, Any] | None = None
        try:
            job = self._api.get("job", self.gang.namespace, self.gang.job_name).body
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
            if self._seen or self.gang.api == JOB:
                raise WorkersFailed(f"somebody deleted job {self.gang.job_name!r}; run again to continue") from error
        if job is not None and job["spec"].get("suspend"):
            self._forget_pods()
            return present, job
        self._present = {pod_status.index_of(pod) for pod in present}
        self._seen |= {pod_status.index_of(pod): pod for pod in present}
        if job is not None and not self._has_failed(job):
            self._deleted |= {pod_status.index_of(pod) for pod in present if pod_status.deleted_at(pod) is not None}
        return present, job

    def _forget_pods(self) -> None:
        """Forgets the pods of a Job that its queue has suspended; it gets new pods when it is admitted again."""
        self._close_stream()
        self._stream = None
        self._former = self._seconds_so_far()
        self._seen, self._deleted = {}, set()

    def _select_pods(self) -> list[dict[str, Any]]:
        selector = f"batch.kubernetes.io/job-name={self.gang.job_name}"
        return self._api.select("pod", self.gang.namespace, labelSelector=selector)

    def _has_failed(self, job: pod_status.Object) -> bool:
        return any(pod_status.condition(job, kind) for kind in ("FailureTarget", "Failed")) or any(
            pod_status.phase(pod) == "Failed" for pod in self._seen.values()
        )

    def _settle(self, job: pod_status.Object, check: Callable[[], object]) -> pod_status.Object:
        """Waits a little for the other pods to end too, and returns the Job's state after that."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline and not all(pod_status.has_ended(pod) for pod in self._seen.values()):
            check()
            time.sleep(0.5)
            job = self._look()[1] or job
        self._close_stream()
        return job

    def _listen(self) -> None:
        chief = self._seen.get(0)
        if chief is not None and self._stream is None and pod_status.phase(chief) != "Pending":
            self._heard = time.monotonic()
            self._stream = LogStream(self._api, self.gang.namespace, chief["metadata"]["name"], self._hear)
        if self._stream is not None and time.monotonic() - self._heard > self._limits.silent:
            raise WorkersFailed(f"worker 0 has written nothing for {self._limits.silent:.0f} s; is a peer stuck?")

    def _hear(self, line: str) -> None:
        self._heard = time.monotonic()
        self._chief.add(line)

    def _close_stream(self) -> None:
        if self._stream is None and 0 in self._seen and pod_status.phase(self._seen[0]) != "Pending":
            self._listen()  # the chief started and ended between two polls
        if self._stream is not None:
            self._stream.close(_LOG_SECONDS)

    def keep_logs(self, directory: LaunchDir, stems: Sequence[str]) -> dict[int, WorkerOutput]:
        """Copies the logs of the remaining pods to the launch's folder, and returns their output by index.

        Args:
          directory: The launch's folder.
          stems: File name stem of each pod's log.
        """
        outputs = {}
        for index, pod in sorted(self._seen.items()):
            outputs[index] = WorkerOutput(is_chief=False)
            name = pod["metadata"]["name"]
            text = self._api.read_log(self.gang.namespace, name, container=CONTAINER, tailLines=_KEPT_LOG_LINES)
            if text:
                self._keep_log(directory.path / f"attempt-{self.gang.attempt}-{stems[index]}.log", text)
            for line in text.decode(errors="replace").splitlines():
                outputs[index].add(line)
        if 0 in outputs and not outputs[0].tail:
            outputs[0] = self._chief
        return outputs

    def _keep_log(self, path: Path, text: bytes) -> None:
        try:
            path.write_bytes(text)
        except OSError as error:  # e.g. a full disk, which may be why the workers ended
            self._log.line(f"cannot keep {path.name}: {error.strerror}")

    def used(self) -> PodSeconds:
        """Returns what became of the pods' time until now, by Kubernetes' own times of them."""
        with contextlib.suppress(AgrivisionError):  # then what was last seen of them must do
            self._seen |= {pod_status.index_of(pod): pod for pod in self._select_pods()}
        return self._seconds_so_far()

    def _seconds_so_far(self) -> PodSeconds:
        now = time.time()
        return sum((pod_seconds(pod, now) for pod in self._seen.values()), self._former)

    def remove(self) -> None:
        """Deletes the Job and its Service, and waits until its pods have ended and can write nothing more.

        Their network policy goes last: pods outlive their Job by seconds, with which Kubernetes would delete it.
        """
        gang = self.gang
        if self._stream is not None:
            self._stream.close(0.0)
        with contextlib.suppress(Refused):  # there is none, or not any more
            self._own_policy("")
        self._api.delete(gang.api, gang.namespace, gang.name)
        if gang.api == JOB:
            self._api.delete("service", gang.namespace, gang.name)
        deadline = time.monotonic() + _GONE_SECONDS
        while (left := self._select_pods()) and time.monotonic() < deadline:
            time.sleep(0.5)
        if left:
            names = ", ".join(pod["metadata"]["name"] for pod in left)
            self._log.line(f"{names} did not end within {_GONE_SECONDS:.0f} s; the node may be lost")
            return
        self._api.delete("networkpolicy", gang.namespace, gang.name)
