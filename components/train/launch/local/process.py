"""One worker of a gang on this machine: its process, its output, its heartbeat, and how it ended."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import components
from components import environment
from components.private_network import PrivateNetwork
from components.train.launch.worker_output import WorkerOutput

_READ_SECONDS = 1.0  # for the last lines of a worker that has ended


class WorkerProcess:
    """A worker's process.

    Attributes:
      index: Its index in the gang.
      name: Its name in messages.
      output: Its output.
      froze: Whether it was killed because its heartbeat stopped.
      process: The process itself.
    """

    def __init__(
        self,
        index: int,
        name: str,
        spec_path: Path,
        overrides: dict[str, str | None],
        log_path: Path,
        heartbeat: Path,
        network: PrivateNetwork | None = None,
    ) -> None:
        """Starts the process.

        Args:
          index: Its index in the gang; 0 is the chief.
          name: Its name in messages.
          spec_path: File with its WorkerSpec.
          overrides: Environment variables to set; None removes one.
          log_path: File for all of its output.
          heartbeat: File that it touches every second.
          network: The network that it runs in; None for this machine's.
        """
        self.index, self.name = index, name
        self.output = WorkerOutput(is_chief=index == 0)
        self.froze = False
        self._heartbeat, self._stamp, self._seen = heartbeat, 0, time.monotonic()
        command = [sys.executable, "-m", "components.train", "--spec", str(spec_path.resolve())]
        command += ["--heartbeat", str(heartbeat)]
        self.process = subprocess.Popen(
            network.entering(command) if network else command,
            pass_fds=network.descriptors if network else (),
            env=environment.child_environment(overrides),
            cwd=Path(components.__path__[0]).parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Ctrl-C goes to the launcher alone, which then lets the workers write a checkpoint.
            start_new_session=True,
        )
        assert self.process.stdin is not None
        # Or a worker that is stopped, and reads nothing, would stop this process, too, once the pipe is full.
        os.set_blocking(self.process.stdin.fileno(), False)
        self._reader = threading.Thread(target=self._follow, args=(log_path,), name=f"output of {name}", daemon=True)
        self._reader.start()

    @property
    def is_spare(self) -> bool:
        """Whether other workers could do its work, if the strategy allows it."""
        return self.name.startswith("worker")

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended yet."""
        return self.process.poll() is None

    def silent_seconds(self) -> float:
        """Returns the seconds since the last call that saw a new heartbeat."""
        stamp = self._heartbeat.stat().st_mtime_ns if self._heartbeat.exists() else 0
        if stamp != self._stamp:
            self._stamp, self._seen = stamp, time.monotonic()
        return time.monotonic() - self._seen

    def tell(self, seconds: float) -> None:
        """Tells the process for how many seconds it may go on if it hears nothing more; may be infinite."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended, or is stopped
            os.write(self.process.stdin.fileno(), f"{seconds:.0f}\n".encode())

    def forgive(self) -> None:
        """Restarts the count of silent seconds, because it was the launcher that slept."""
        self._seen = time.monotonic()

    def give_up(self) -> None:
        """Kills the process because its heartbeat stopped; only SIGKILL ends a stopped process."""
        self.froze = True
        self.process.kill()

    def close(self) -> None:
        """Kills the process if it still runs, and reads the rest of its output."""
        if self.is_running:
            self.process.kill()
        self.process.wait()
        self._reader.join(timeout=_READ_SECONDS)
        assert self.process.stdin is not None
        self.process.stdin.close()

    @property
    def ending(self) -> str:
        """How the process ended, and why."""
        code = self.process.returncode
        if self.froze:
            return f"{self.name} froze: its heartbeat stopped, and it was killed"
        if code < 0 and not self.output.gave_reason:
            return f"{self.name} was killed by {signal.Signals(-code).name}"  # its last line is not the reason
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"{self.name} {how}: {self.output.reason}"

    def _follow(self, log_path: Path) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            # Unbuffered: closing a buffered file on a full disk would fail.
            with contextlib.suppress(OSError), open(log_path, "wb", buffering=0) as log_file:
                for line in lines:
                    self.output.add(line)
                    log_file.write(line.encode())
            for line in lines:  # after a full disk: the worker reports it and must not block on its output
                self.output.add(line)
