"""How many tiles, pixels and bytes are held at once; what is more is refused, so that memory stays bounded."""

import contextlib
from collections.abc import Iterator

from components.serve.metrics import ServerMetrics
from components.serve.refusal import not_now
from components.serve.settings import MIB, ServeSettings


class Admission:
    """Counts what is held; used by the event loop alone."""

    def __init__(self, settings: ServeSettings, metrics: ServerMetrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._num_tiles = self._num_pixels = self._num_bytes = self.num_requests = 0

    @contextlib.contextmanager
    def request(self) -> Iterator["HeldBytes"]:
        """Counts a request, and what is held for it, until the context ends."""
        self.num_requests += 1
        held = HeldBytes(self)
        try:
            yield held
        finally:
            self.num_requests -= 1
            self._add_bytes(-held.num_bytes)

    @contextlib.contextmanager
    def tiles(self, num_tiles: int) -> Iterator[None]:
        """Counts tiles until the context ends.

        Raises:
          Refusal: if there are too many.
        """
        if self._num_tiles + num_tiles > self._settings.queue_tiles:
            raise not_now(
                f"{self._num_tiles} tiles wait, and at most {self._settings.queue_tiles} are accepted; ask again later",
                "queue_full",
            )
        self._num_tiles += num_tiles
        try:
            yield
        finally:
            self._num_tiles -= num_tiles

    @contextlib.contextmanager
    def pixels(self, num_pixels: int) -> Iterator[None]:
        """Counts the pixels of tiles until the context ends.

        Raises:
          Refusal: if there are too many.
        """
        most = self._settings.queue_pixels
        if self._num_pixels + num_pixels > most:
            raise not_now(
                f"tiles of {self._num_pixels:,} pixels wait, and at most {most:,} are accepted; ask again later",
                "queue_full",
            )
        self._num_pixels += num_pixels
        try:
            yield
        finally:
            self._num_pixels -= num_pixels

    def _add_bytes(self, num_bytes: int) -> None:
        self._num_bytes += num_bytes
        self._metrics.held_bytes.set(self._num_bytes)

    def is_full_with(self, num_bytes: int) -> bool:
        """Tells whether so many more bytes would be too many."""
        return self._num_bytes + num_bytes > self._settings.held_mib * MIB


class HeldBytes:
    """The bytes that are held for one request."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.num_bytes = 0

    def add(self, num_bytes: int) -> None:
        """Counts more bytes.

        Raises:
          Refusal: if all requests together hold too many.
        """
        if self._admission.is_full_with(num_bytes):
            raise not_now("the requests that are being read take too many bytes; ask again later", "bytes_full")
        self._admission._add_bytes(num_bytes)
        self.num_bytes += num_bytes
