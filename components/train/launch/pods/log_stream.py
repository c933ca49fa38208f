"""Follows a pod's log while it is written: every line once, however often the connection breaks.

Kubernetes can start a log at a given second, and gives each line's time to the nanosecond. So a new connection starts
at the second of the last line read, and skips the lines that were read before.
"""

import threading
from collections.abc import Callable, Iterable, Iterator

from components.train.launch.pods.api import Kubernetes
from components.train.launch.pods.pod_template import CONTAINER

_AGAIN_SECONDS = 2.0  # between the end of one connection and the start of the next


class LineCounter:
    """Separates new lines from lines that were read before."""

    def __init__(self) -> None:
        self._last = ""  # time of the last line
        self._num_last = 0  # lines of that time

    @property
    def since(self) -> dict[str, str]:
        """The query that starts the log at the second of the last line."""
        return {"sinceTime": f"{self._last[:19]}Z"} if self._last else {}

    def new_lines(self, chunks: Iterable[bytes]) -> Iterator[str]:
        """Yields the new lines of a connection, without their times; the next connection rereads a line cut short.

        Args:
          chunks: Chunks of the log as they arrive, from `since` on; lines are "<time> <text>", with times in UTC.
        """
        rest, num_seen = b"", 0
        for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                time, _, text = line.decode(errors="replace").partition(" ")
                time = _comparable(time)
                if time < self._last:
                    continue
                if time == self._last:
                    num_seen += 1
                    if num_seen <= self._num_last:
                        continue
                    self._num_last = num_seen
                else:
                    self._last, self._num_last, num_seen = time, 1, 1
                yield text


def _comparable(time: str) -> str:
    """Pads a time such as "2026-11-24T15:00:00.5Z" to nanoseconds, so that times compare as text."""
    seconds, _, fraction = time.removesuffix("Z").partition(".")
    return f"{seconds}.{fraction:0<9}"


class LogStream:
    """Reads a pod's log in a thread."""

    def __init__(self, api: Kubernetes, namespace: str, pod: str, add: Callable[[str], None]) -> None:
        """Starts reading.

        Args:
          api: Client of the Kubernetes API.
          namespace: Namespace of the pod.
          pod: Name of the pod.
          add: Called with every line, as soon as it is written.
        """
        self._ended, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(
            target=self._follow, args=(api, namespace, pod, add), name=f"log of {pod}", daemon=True
        )
        self._thread.start()

    def close(self, wait_seconds: float) -> None:
        """Reads the rest of the log of a pod that has ended, for at most `wait_seconds`, then stops."""
        self._ended.set()
        self._thread.join(wait_seconds)
        self._closed.set()

    def _follow(self, api: Kubernetes, namespace: str, pod: str, add: Callable[[str], None]) -> None:
        counter = LineCounter()
        while not self._closed.is_set():
            # Only a connection opened after the pod's end is sure to see the end of its log.
            is_last = self._ended.is_set()
            for line in counter.new_lines(api.follow_log(namespace, pod, container=CONTAINER, **counter.since)):
                if self._closed.is_set():
                    return
                add(line)
            if is_last:
                return
            self._ended.wait(_AGAIN_SECONDS)
