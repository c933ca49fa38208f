"""A connection of the server: uvicorn's, with bounds for slow clients and for how many there are."""

import asyncio
import http
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from components.serve.metrics import ServerMetrics
from components.serve.refusal import error_body


class BoundedConnection(H11Protocol):
    """A connection that is closed if its next request does not come in time.

    To be subclassed with the limits below, since uvicorn makes its connections from a class.

    Attributes:
      header_seconds: For the headers of a request, from the connection or the last answer on.
      request_seconds: For a request and its answer, at most.
      most_connections: Beyond which a connection gets 503.
      metrics: Of the server.
    """

    header_seconds: float
    request_seconds: float
    most_connections: int
    metrics: ServerMetrics

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuses the connection if there are too many; else starts its clock."""
        super().connection_made(transport)
        self._timer: asyncio.TimerHandle | None = None
        if len(self.connections) > self.most_connections:
            self.metrics.connections_refused.inc()
            text = f"{self.most_connections} connections are open, which is the most; ask again later"
            self._refuse(503, text, [(b"retry-after", b"1")])
            return
        self._wait(self.header_seconds)

    def handle_events(self) -> None:
        """Handles what was received; a request that begins gets its time."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and not self.cycle.response_complete:
            self._wait(self.request_seconds)

    def on_response_complete(self) -> None:
        """Gives the client time for its next request."""
        self._wait(self.header_seconds)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clock."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP; what follows an answer that has begun can only be cut off."""
        if self.cycle is not None:
            self.cycle.disconnected = True  # whatever it would still send
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._refuse(400, "not a readable HTTP request", [])
        else:
            self.transport.close()

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._end)

    def _end(self) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self.transport.abort()  # its client does not read

    def _refuse(self, status: int, text: str, headers: list[tuple[bytes, bytes]]) -> None:
        body = error_body(text)
        common = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        response: dict[str, Any] = {
            "status_code": status,
            "reason": http.HTTPStatus(status).phrase.encode(),
            "headers": [*common, (b"connection", b"close"), *headers],
        }
        for event in (h11.Response(**response), h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event))
        self.transport.close()
