"""Extends a Job's deadline while its launcher lives, so that the Job's pods do not outlive the launcher.

Kubernetes ends a Job that is older than its activeDeadlineSeconds. However the launcher dies, the deadline is no longer
extended, and Kubernetes ends the workers without any code of ours.
"""

import math
import threading
from typing import Any

from components.errors import AgrivisionError
from components.train.launch.pods.api import Kubernetes
from components.train.launch.pods.api_answers import NOT_FOUND, Refused, seconds_of
from components.train.launch.pods.job import DEADLINE_SECONDS

_EVERY_SECONDS = 10.0


class Deadline:
    """Keeps extending a Job's deadline, in a thread."""

    def __init__(self, api: Kubernetes, namespace: str, job: str, every_seconds: float = _EVERY_SECONDS) -> None:
        self._api, self._namespace, self._job, self._every = api, namespace, job, every_seconds
        self._ended = threading.Event()
        self._refused: Refused | None = None
        self._thread = threading.Thread(target=self._keep_ahead, name=f"deadline of {job}", daemon=True)

    def __enter__(self) -> "Deadline":
        self._thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._ended.set()

    def check(self) -> None:
        """Checks that the deadline can still be extended.

        Raises:
          Refused: If the API server refused to extend it.
        """
        if self._refused is not None:
            raise self._refused

    def _keep_ahead(self) -> None:
        while not self._ended.is_set():
            try:
                self._move()
            except Refused as error:
                if error.status != NOT_FOUND:  # the Job is just being created or deleted
                    self._refused = error
                    return
            except AgrivisionError:
                pass  # the API server may come back before the deadline
            self._ended.wait(self._every)

    def _move(self) -> None:
        job = self._api.get("job", self._namespace, self._job)
        # Counts from the start time, on the control plane's clock; a Job that waits in a queue has no start time yet.
        seconds = DEADLINE_SECONDS
        if started := job.body.get("status", {}).get("startTime"):
            seconds += max(0, math.ceil(job.server_time - seconds_of(started)))
        self._api.patch(
            "job",
            self._namespace,
            self._job,
            {"spec": {"activeDeadlineSeconds": seconds}},
            patience_seconds=self._every,
        )
