"""One attempt to train with pods: its Job is created or found, watched by polling, and removed."""

import functools
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from components.progress import StepLog
from components.train.launch.launch_dir import LaunchDir
from components.train.launch.pods import pod_status
from components.train.launch.pods.api import Kubernetes
from components.train.launch.pods.api_answers import CONFLICT, NOT_FOUND, Refused
from components.train.launch.pods.cause_of_end import Ending, find_cause
from components.train.launch.pods.deadline import Deadline
from components.train.launch.pods.job import JOB, PodGang, render, render_service
from components.train.launch.pods.log_stream import LogStream
from components.train.launch.pods.pod_template import CONTAINER, GRACE_SECONDS
from components.train.launch.pods.pod_waits import Limits, PodWaits, last_warning
from components.train.launch.worker_output import WorkerOutput
from components.train.settings.worker_spec import WorkersFailed

_POLL_SECONDS = 1.5
_SETTLE_SECONDS = 4.0  # after one worker's end, for the others to say why they end
_LOG_SECONDS = 5.0  # to read the end of a log
_GONE_SECONDS = GRACE_SECONDS + 40.0  # from deleting a Job to the end of its pods
_KEPT_LOG_LINES = 20_000


class Attempt:
    """A gang of pods at work.

    Attributes:
      gang: What they are.
    """

    def __init__(self, api: Kubernetes, gang: PodGang, log: StepLog, limits: Limits) -> None:
        self.gang = gang
        self._api, self._log, self._limits = api, log, limits
        self._stream: LogStream | None = None
        self._chief = WorkerOutput(is_chief=True)
        self._heard = time.monotonic()  # when the chief last wrote a line
        self._seen: dict[int, pod_status.Object] = {}  # what was last seen of each pod
        self._present: set[int] = set()
        self._deleted: set[int] = set()  # while nothing had failed

    def create(self) -> None:
        """Creates the Job and its Service, or finds those that an earlier request, or launch, has created."""
        made = self._create(self.gang.api, render(self.gang))
        if self.gang.api == JOB:
            self._create("service", render_service(self.gang, made["metadata"]["uid"]))

    def _create(self, kind: str, rendered: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._api.create(kind, rendered)
        except Refused as error:
            if error.status != CONFLICT:
                raise
            return self._api.get(kind, self.gang.namespace, self.gang.name).body

    def wait(self, check: Callable[[], None]) -> Ending | None:
        """Returns None when all are done, or, when one has failed, the cause.

        Args:
          check: called all the time; an AgrivisionError that it raises ends this.

        Raises:
          WorkersFailed: if pods do not come, start or get on, for longer than they may.
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
                    raise WorkersFailed(f"no Job of jobset {gang.name!r} was created; does its controller run?")
                self._listen()
                time.sleep(_POLL_SECONDS * random.uniform(0.7, 1.3))

    def _look(self) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """Returns the pods, and the Job, None if it is yet to come; remembers what was seen."""
        # In this order: a pod that is deleted before the Job is seen to be well was deleted by somebody else.
        present = self._select_pods()
        job: dict[str, Any] | None = None
        try:
            job = self._api.get("job", self.gang.namespace, self.gang.job_name).body
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
            if self._seen or self.gang.api == JOB:
                raise WorkersFailed(f"somebody has deleted job {self.gang.job_name!r}; run again to go on") from error
        if job is not None and job["spec"].get("suspend"):
            self._forget_pods()
            return present, job
        self._present = {pod_status.index_of(pod) for pod in present}
        self._seen |= {pod_status.index_of(pod): pod for pod in present}
        if job is not None and not self._has_failed(job):
            self._deleted |= {pod_status.index_of(pod) for pod in present if pod_status.deleted_at(pod) is not None}
        return present, job

    def _forget_pods(self) -> None:
        """Gives up those that a queue ends because it is others' turn; new ones come when it is theirs again."""
        self._close_stream()
        self._stream = None
        self._seen, self._deleted = {}, set()

    def _select_pods(self) -> list[dict[str, Any]]:
        selector = f"batch.kubernetes.io/job-name={self.gang.job_name}"
        return self._api.select("pod", self.gang.namespace, labelSelector=selector)

    def _has_failed(self, job: pod_status.Object) -> bool:
        return any(pod_status.condition(job, kind) for kind in ("FailureTarget", "Failed")) or any(
            pod_status.phase(pod) == "Failed" for pod in self._seen.values()
        )

    def _settle(self, job: pod_status.Object, check: Callable[[], None]) -> pod_status.Object:
        """Gives the others the time to end, too, and returns the Job as it is then."""
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
            self._listen()  # it has come and gone between two looks
        if self._stream is not None:
            self._stream.close(_LOG_SECONDS)

    def keep_logs(self, directory: LaunchDir, stems: Sequence[str]) -> dict[int, WorkerOutput]:
        """Copies the logs of the pods that are still there to the folder of the launch, and returns them by index.

        Args:
          stems: of the names of their files, for each pod.
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
        except OSError as error:  # of a full disk, say, which is why the workers have ended
            self._log.line(f"{path.name} is not kept: {error.strerror}")

    def remove(self) -> None:
        """Deletes the Job and its Service, and waits until its pods have ended, so that no other writes with them."""
        gang = self.gang
        if self._stream is not None:
            self._stream.close(0.0)
        self._api.delete(gang.api, gang.namespace, gang.name)
        if gang.api == JOB:
            self._api.delete("service", gang.namespace, gang.name)
        deadline = time.monotonic() + _GONE_SECONDS
        while (left := self._select_pods()) and time.monotonic() < deadline:
            time.sleep(0.5)
        if left:
            names = ", ".join(pod["metadata"]["name"] for pod in left)
            self._log.line(f"{names} did not end within {_GONE_SECONDS:.0f} s; its node may be lost")
