"""A network of their own for the workers of one machine, which nobody else can reach. Linux only; needs no root.

TensorFlow's training servers listen on every interface, whatever address they are given, and do for anyone who connects
what a worker asks of them, such as reading and writing files. Workers in a network namespace of their own have nothing
but its loopback interface, so that no other machine, and no other process of this one, can connect.

Run as a program, this file makes such a namespace, or enters one and becomes another program. It imports only what
starts in a hundredth of a second, and nothing of this project.
"""

import ctypes
import dataclasses
import fcntl
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

# From sched.h and linux/sockios.h.
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_SET_FLAGS = 0x8914
_UP = 0x1
_KINDS = ("user", "net")


@dataclasses.dataclass(frozen=True)
class PrivateNetwork:
    """A network namespace.

    Attributes:
      descriptors: File descriptors of the namespaces to enter, in this order; they keep it alive.
    """

    descriptors: tuple[int, ...]

    def entering(self, command: Sequence[str]) -> list[str]:
        """Returns the command line that runs `command` in this network, if it inherits the descriptors."""
        numbers = ",".join(map(str, self.descriptors))
        return [sys.executable, "-I", "-S", __file__, "enter", numbers, *command]


class NoPrivateNetwork(Exception):
    """This system gives no process a network of its own; the message says why not."""


@contextmanager
def private_network() -> Iterator[PrivateNetwork]:
    """Yields a new network, which ends when nobody is in it any more.

    Raises:
      NoPrivateNetwork: If the system does not allow it.
    """
    command = [sys.executable, "-I", "-S", __file__, "make"]
    holder = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    descriptors: list[int] = []
    try:
        with holder:
            assert holder.stdin is not None
            assert holder.stdout is not None
            answer = holder.stdout.readline().strip()
            try:
                if answer == "ready":
                    for kind in _KINDS:
                        path = f"/proc/{holder.pid}/ns/{kind}"
                        if not os.path.samefile(path, f"/proc/self/ns/{kind}"):
                            descriptors.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            finally:
                holder.stdin.close()
        if answer != "ready":
            raise NoPrivateNetwork(answer or f"the process that was to make it ended with {holder.returncode}")
        yield PrivateNetwork(tuple(descriptors))
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _make() -> None:
    """Moves this process into a new network, says "ready", and waits for the end of its standard input."""
    try:
        _unshare()
        # A new network has a loopback interface that is down.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh22x", b"lo", _UP))
    except (OSError, AttributeError) as error:  # not Linux: the C library has no unshare
        print(getattr(error, "strerror", None) or error, flush=True)
        return
    print("ready", flush=True)
    sys.stdin.read()


def _unshare() -> None:
    library = ctypes.CDLL(None, use_errno=True)
    # As root, without a user namespace, in which files of other users could not be opened any more.
    if library.unshare(_NEW_NETWORK) == 0:
        return
    user, group = os.geteuid(), os.getegid()
    if library.unshare(_NEW_USER | _NEW_NETWORK):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    with suppress(FileNotFoundError):
        _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _enter(descriptors: Sequence[int], command: list[str]) -> None:
    """Enters the namespaces, and becomes the command."""
    library = ctypes.CDLL(None, use_errno=True)
    for descriptor in descriptors:
        if library.setns(descriptor, 0):
            code = ctypes.get_errno()
            sys.exit(f"error: cannot enter the network of the workers: {os.strerror(code)}")
        os.close(descriptor)
    os.execv(command[0], command)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        _make()
    else:
        _enter([int(number) for number in sys.argv[2].split(",") if number], sys.argv[3:])
