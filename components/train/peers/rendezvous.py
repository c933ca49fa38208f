"""Where the processes of a training meet: one listens, the others connect, and both ends prove that they belong.

Anyone who can reach the port can connect to it. Both ends know the nonce of the training's spec, and prove it with a
keyed hash of their names, so the nonce itself is never sent. A connection without this proof is closed, with no other
effect.
"""

import contextlib
import hashlib
import hmac
import socket
import threading
import time
from collections.abc import Iterator, Sequence

from components.errors import EXIT_TRY_AGAIN, AgrivisionError

_PROOF_BYTES = 64  # a sha256 in hexadecimal
_LONGEST_HELLO = 128  # bytes: a name, a space, a proof and a newline
_HELLO_SECONDS = 10.0  # for a connected process to identify itself
_MOST_CONNECTIONS = 256  # connections that have not identified themselves yet
_RETRY_SECONDS = 0.2


class LostPeer(AgrivisionError):
    """A peer never came, went away, or has a different state."""

    exit_code = EXIT_TRY_AGAIN


class Meeting:
    """The listening end: keeps a connection to each process that has proved its identity, until it is released."""

    def __init__(self, rendezvous: str, nonce: str, names: Sequence[str]) -> None:
        """Starts listening.

        Args:
          rendezvous: "<host>:<port>".
          nonce: Nonce of the training's spec.
          names: The expected processes, such as "worker 1".
        """
        host, _, port = rendezvous.rpartition(":")
        self._nonce, self._names = nonce, frozenset(names)
        self._present: dict[str, socket.socket] = {}
        self._changed = threading.Condition()
        self._free = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self._listener = socket.create_server((host, int(port)), backlog=_MOST_CONNECTIONS)
        threading.Thread(target=self._listen, name="rendezvous", daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Waits until all processes are present.

        Raises:
          LostPeer: If some are missing after `seconds`; names them.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._names <= self._present.keys(), seconds):
                missing = ", ".join(sorted(self._names - self._present.keys()))
                raise LostPeer(f"{missing} never came")

    def release(self) -> None:
        """Lets all processes continue, and closes the meeting."""
        with self._changed:
            for name, connection in self._present.items():
                with contextlib.suppress(OSError):  # the process is already gone
                    connection.sendall(_proof(self._nonce, "go", name))
        self.close()

    def close(self) -> None:
        """Stops listening, and closes the connections; processes that were not released see their peer go."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that listens
        self._listener.close()
        with self._changed:
            for connection in self._present.values():
                connection.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self._listener.fileno() < 0:
                    return
                time.sleep(_RETRY_SECONDS)  # e.g. out of file descriptors
                continue
            if self._free.acquire(blocking=False):
                threading.Thread(target=self._greet, args=(connection,), daemon=True).start()
            else:
                connection.close()

    def _greet(self, connection: socket.socket) -> None:
        try:
            name = _read_hello(connection, self._nonce)
            if name not in self._names:
                raise ConnectionError("a stranger")
            connection.settimeout(None)
        except OSError:  # not a peer
            connection.close()
            return
        finally:
            self._free.release()
        with self._changed:
            # A restarted process replaces its predecessor.
            if (earlier := self._present.pop(name, None)) is not None:
                earlier.close()
            self._present[name] = connection
            self._changed.notify_all()


@contextlib.contextmanager
def joined(rendezvous: str, nonce: str, name: str, seconds: float) -> Iterator[socket.socket]:
    """Yields a connection to the meeting at `rendezvous`, on which this process has identified itself.

    Raises:
      LostPeer: If nobody listens there within `seconds`.
    """
    host, _, port = rendezvous.rpartition(":")
    deadline = time.monotonic() + seconds
    while True:
        left = max(deadline - time.monotonic(), 0.001)
        try:
            connection = socket.create_connection((host, int(port)), timeout=left)
            break
        except OSError as error:
            # Nobody listens yet, or, on a cluster, the peer has no DNS name yet.
            if time.monotonic() > deadline:
                raise LostPeer(f"nobody listens at {rendezvous}: {error}") from error
            time.sleep(min(_RETRY_SECONDS, left))
    with connection:
        connection.sendall(name.encode() + b" " + _proof(nonce, "hello", name) + b"\n")
        yield connection


def wait_for_release(connection: socket.socket, nonce: str, name: str, seconds: float | None = None) -> bool:
    """Waits until the meeting releases this process; returns False if the other end goes away or proves nothing.

    Args:
      connection: From `joined`.
      nonce: Nonce of the training's spec.
      name: Name of this process.
      seconds: How long to wait; None for as long as the connection lasts.

    Raises:
      TimeoutError: After `seconds`.
    """
    connection.settimeout(seconds)
    try:
        answer = _read(connection, _PROOF_BYTES)
    except TimeoutError:
        raise
    except OSError:
        return False
    return hmac.compare_digest(answer, _proof(nonce, "go", name))


def _read_hello(connection: socket.socket, nonce: str) -> str:
    """Returns the name of a process that knows the nonce.

    Raises:
      OSError: If it says anything else, or too little in time.
    """
    deadline = time.monotonic() + _HELLO_SECONDS
    hello = b""
    while not hello.endswith(b"\n"):
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        received = connection.recv(_LONGEST_HELLO - len(hello))
        hello += received
        if not received or (len(hello) == _LONGEST_HELLO and not hello.endswith(b"\n")):
            raise ConnectionError("no hello")
    name, _, proof = hello[:-1].decode("ascii", "replace").rpartition(" ")
    if not hmac.compare_digest(proof.encode(), _proof(nonce, "hello", name)):
        raise ConnectionError("a stranger")
    return name


def _read(connection: socket.socket, num_bytes: int) -> bytes:
    received = b""
    while len(received) < num_bytes and (more := connection.recv(num_bytes - len(received))):
        received += more
    return received


def _proof(nonce: str, word: str, name: str) -> bytes:
    return hmac.new(nonce.encode(), f"{word} {name}".encode(), hashlib.sha256).hexdigest().encode()
