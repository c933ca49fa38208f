"""A server of another project that answers tiles with our SavedModel: its process, in a folder of its own."""

import contextlib
import http.client
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.serving.closed_loop import Request, closed_loop, connection_to

_READY_SECONDS = 180.0
_END_SECONDS = 30.0


class PeerServer:
    """A running server.

    Args:
      name: For messages.
      environment: The virtual environment in which it is installed.
      command: The program there and its arguments; it runs in a folder that has `files`.
      files: Text by name.
      variables: Of its process.
      port: On loopback, where it listens.
      ready, infer: Paths: of what answers 200 once it takes tiles, and of tiles.

    Raises:
      RuntimeError: if it ends, or does not get ready.
    """

    def __init__(
        self,
        name: str,
        environment: Path,
        command: Sequence[str],
        files: Mapping[str, str],
        port: int,
        ready: str,
        infer: str,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        for file, text in files.items():
            (folder / file).write_text(text)
        bin_folder = environment.absolute() / "bin"
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        path = f"{bin_folder}{os.pathsep}{inherited['PATH']}"
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [bin_folder / command[0], *command[1:]],
                cwd=folder,
                env=inherited | {"PATH": path} | dict(variables or {}),
                stdout=log,
                stderr=log,
            )
        self._address, self._infer = ("127.0.0.1", port), infer
        deadline = time.monotonic() + _READY_SECONDS
        while not self._is_ready(ready):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise RuntimeError(f"{name} does not get ready: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.2)

    def _is_ready(self, path: str) -> bool:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection(*self._address, timeout=10)
            connection.request("GET", path)
            return connection.getresponse().status == 200
        return False

    def rate(self, requests: Sequence[Request], num_clients: int) -> float:
        """Returns tiles/s of clients each of which asks for one tile again as soon as it is answered."""
        return closed_loop(lambda: connection_to(self._address, self._infer), requests, num_clients)

    def close(self) -> None:
        """Ends it."""
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()


def free_ports(number: int) -> list[int]:
    """Returns ports on loopback that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [server.getsockname()[1] for server in servers]
