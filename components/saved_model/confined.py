"""A process for models, which nobody here wrote: without secrets, without a network, and with few files to see.

The parent gives it an environment of its own, an empty folder as home, and, where the system allows it, a network with
nothing in it. Before it loads TensorFlow, the process gives up most files with Landlock, which needs no root and which
Linux has had since 5.13: it can then read libraries, this project's code and the model, and write only to a folder of
its own. So it sees no service account's token and nobody's home. Where a system lacks one of these, the others hold,
and so do the checks before a model is loaded.
"""

import contextlib
import ctypes
import fcntl
import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from components import environment
from components.private_network import NoPrivateNetwork, private_network

_CODE = Path(__file__).resolve().parents[1]
_MOST_WRITTEN_BYTES = 2 << 30  # to one file; a model's variables are the largest
_SHARE_OF_MEMORY = 0.75
_MEMORY_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
# From linux/landlock.h and linux/prctl.h; the numbers of the calls are the same on every processor.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _BENEATH, _NO_NEW_PRIVILEGES = 1, 1, 38
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_READ = _EXECUTE | _READ_FILE | _READ_DIR
# All rights of the first version of Landlock, and those that the second and third added.
_ALL, _ADDED = (1 << 13) - 1, {2: 1 << 13, 3: 1 << 14}
# What Python and TensorFlow read: libraries, the machine's processors and memory, devices. Nothing that holds a secret.
_SYSTEM = ("/usr", "/lib", "/lib64", "/opt", "/etc/ld.so.cache", "/etc/localtime", "/sys", "/proc/cpuinfo")
_SYSTEM_TOO = ("/proc/meminfo", "/proc/stat", "/proc/self", "/proc/driver", "/etc/nsswitch.conf", "/etc/passwd")


@contextlib.contextmanager
def confined_process(module: str, arguments: Sequence[str], folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Starts a module of this project that calls give_up_files first, and yields it; kills it in the end.

    Args:
      module: Its dotted name.
      arguments: Its command line.
      folder: An existing folder, which it can read; `folder`/work is its home, where it can write.
    """
    work = folder / "work"
    work.mkdir(exist_ok=True)
    command = [sys.executable, "-B", "-P", "-m", module, *arguments]
    with contextlib.ExitStack() as stack:
        descriptors: tuple[int, ...] = ()
        with contextlib.suppress(NoPrivateNetwork):
            network = stack.enter_context(private_network())
            command, descriptors = network.entering(command), network.descriptors
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=work,
            env=environment.environment_without_secrets(
                {
                    "HOME": os.fspath(work),
                    "TMPDIR": os.fspath(work),
                    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                }
            ),
            pass_fds=descriptors,
            start_new_session=True,
        )
        stack.callback(_end, process)
        yield process


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    process.wait()


def give_up_files(folder: Path) -> bool:
    """Leaves this process only the files that confined_process promises; returns whether the system can do that.

    To be called before other threads start, which would keep their rights.
    """
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, _MOST_WRITTEN_BYTES)
    if memory := _memory_bytes():
        # So that a model that wants all memory fails by itself, and not the step that asks it.
        _lower(resource.RLIMIT_DATA, int(memory * _SHARE_OF_MEMORY))
    library = ctypes.CDLL(None, use_errno=True)
    version = library.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION_FLAG))
    if sys.platform != "linux" or version < 1:
        return False
    handled = _ALL | sum(right for since, right in _ADDED.items() if since <= version)
    attributes = (ctypes.c_uint64 * 1)(handled)
    rules = library.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(8), ctypes.c_uint(0))
    if rules < 0:
        return False
    packages = [Path(sys.prefix), Path(sys.base_prefix), *(Path(path) for path in sys.path if "-packages" in path)]
    readable = [*packages, _CODE, folder, *map(Path, (*_SYSTEM, *_SYSTEM_TOO))]
    # A folder of modules is listed before one of them is read.
    listed = [Path(path) for path in sys.path if path]
    for rights, paths in ((_READ, readable), (_READ_DIR, listed), (handled, [folder / "work", Path("/dev")])):
        _allow(library, rules, rights & handled, paths)
    library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    restricted = bool(library.syscall(_RESTRICT_SELF, ctypes.c_int(rules), ctypes.c_uint(0)) == 0)
    os.close(rules)
    return restricted


def end_with_asker(pipe: int) -> None:
    """Ends this process as soon as the other end of a pipe is closed, even amid a call that never returns to Python.

    Whoever was killed with SIGKILL cannot end the processes that work for it. To be called when nothing more will come
    through the pipe.
    """
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    signal.signal(signal.SIGIO, signal.SIG_DFL)  # which ends the process
    if select.select([pipe], [], [], 0)[0]:  # it was closed before
        os.kill(os.getpid(), signal.SIGKILL)


def _lower(kind: int, most: int) -> None:
    """Limits a resource; where the user's own limit is lower, that one stays, for nobody may raise it again."""
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def _memory_bytes() -> int:
    """Returns the memory of this machine or of its container, whichever is less; 0 if unknown."""
    found = []
    for path in _MEMORY_LIMITS:
        with contextlib.suppress(OSError, ValueError):
            found.append(int(Path(path).read_text()))
    with contextlib.suppress(OSError, ValueError):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(found, default=0)


def _allow(library: ctypes.CDLL, rules: int, rights: int, paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # not on this system
            continue
        some = rights if path.is_dir() else rights & _FILE_RIGHTS
        rule = some.to_bytes(8, sys.byteorder) + descriptor.to_bytes(4, sys.byteorder)
        library.syscall(_ADD_RULE, ctypes.c_int(rules), ctypes.c_int(_BENEATH), rule, ctypes.c_uint(0))
        os.close(descriptor)
