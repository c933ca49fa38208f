"""An HTTPS proxy on loopback that resets connections in the middle of what they carry, as networks do."""

import contextlib
import random
import socket
import struct
import threading

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing sends a reset


class CuttingProxy:
    """Passes connections on, and resets every second of them after some thousand bytes, `num_cuts` in all.

    Attributes:
      num_cuts: How many it has reset so far.
    """

    def __init__(self, seed: int, num_cuts: int, max_bytes: int) -> None:
        self.num_cuts = 0
        self._left, self._max_bytes, self._num_connections = num_cuts, max_bytes, 0
        self._random, self._lock = random.Random(seed), threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, IndexError, ValueError):  # it has gone again
            request = b""
            while b"\r\n\r\n" not in request:
                request += client.recv(4096) or b"\r\n\r\n"
            host, _, port = request.split()[1].decode().partition(":")
            with socket.create_connection((host, int(port))) as server:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                self._pass_on(client, server)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with self._lock:
            self._num_connections += 1
            is_doomed = self._left > 0 and self._num_connections % 2 == 1
            self._left -= is_doomed
            budget = self._random.randrange(self._max_bytes) if is_doomed else None
        connection = _Connection(client, server, budget)
        pumps = [threading.Thread(target=connection.pump, args=pair) for pair in ((client, server), (server, client))]
        for pump in pumps:
            pump.start()
        for pump in pumps:
            pump.join()
        with self._lock:
            self.num_cuts += connection.is_cut


class _Connection:
    """What goes through in both directions, up to `budget` bytes in all; None for no limit."""

    def __init__(self, client: socket.socket, server: socket.socket, budget: int | None) -> None:
        self._ends, self._budget = (client, server), budget
        self.is_cut = False

    def pump(self, source: socket.socket, target: socket.socket) -> None:
        # A reset end fails here: the other direction has been cut, or the peer has gone.
        with contextlib.suppress(OSError):
            while content := source.recv(4096):
                if self._budget is not None and (left := self._budget - len(content)) < 0:
                    target.sendall(content[: self._budget])
                    self.is_cut = True
                    break
                if self._budget is not None:
                    self._budget = left
                target.sendall(content)
        for end in self._ends:
            with contextlib.suppress(OSError):
                if self.is_cut:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                # Wakes the other direction; after a cut nothing is said to either end, and closing resets it.
                end.shutdown(socket.SHUT_RD if self.is_cut else socket.SHUT_RDWR)
