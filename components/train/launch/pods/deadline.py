"""The deadline of a Job, moved ahead while its launcher lives, so that its pods do not outlive it.

Kubernetes ends a Job that is older than its activeDeadlineSeconds. Whatever happens to the launcher, it stops moving
the deadline, and no code of ours is needed to end the workers.
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
    """Keeps the deadline of a Job ahead, in a thread."""

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
        """Says that the deadline cannot be moved.

        Raises:
          Refused: with what the API server said.
        """
        if self._refused is not None:
            raise self._refused

    def _keep_ahead(self) -> None:
        while not self._ended.is_set():
            try:
                self._move()
            except Refused as error:
                if error.status != NOT_FOUND:  # it is created, or deleted, in this moment
                    self._refused = error
                    return
            except AgrivisionError:
                pass  # the API server is away, and may come back before the deadline
            self._ended.wait(self._every)

    def _move(self) -> None:
        job = self._api.get("job", self._namespace, self._job)
        # Counted from the start, by the clock of the control plane; a Job that waits in a queue has none yet.
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
