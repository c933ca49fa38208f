"""One worker of a gang on this machine: its process, its output, its signs of life, and how it ended."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import components
from components import environment
from components.train.launch.worker_output import WorkerOutput

_READ_SECONDS = 1.0  # for the last lines of a worker that has ended


class WorkerProcess:
    """A running worker.

    Attributes:
      index: Its place among all of the gang.
      name: What messages call it.
      output: What it has written.
      froze: Whether it ended because it showed no sign of life.
    """

    def __init__(
        self, index: int, name: str, spec_path: Path, overrides: dict[str, str | None], log_path: Path, heartbeat: Path
    ) -> None:
        """Starts it.

        Args:
          overrides: of environment variables; None removes one.
          log_path: for all of its output.
          heartbeat: a file that it touches every second.
        """
        self.index, self.name = index, name
        self.output = WorkerOutput(is_chief=index == 0)
        self.froze = False
        self._heartbeat, self._stamp, self._seen = heartbeat, 0, time.monotonic()
        arguments = ["--spec", str(spec_path.resolve()), "--heartbeat", str(heartbeat)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "components.train", *arguments],
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
        self._reader = threading.Thread(target=self._follow, args=(log_path,), name=f"output of {name}", daemon=True)
        self._reader.start()

    @property
    def is_spare(self) -> bool:
        """Whether others could do its work, where the strategy lets them."""
        return self.name.startswith("worker")

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def silent_seconds(self) -> float:
        """Returns for how long it has shown no sign of life, as far as the calls of this function can tell."""
        stamp = self._heartbeat.stat().st_mtime_ns if self._heartbeat.exists() else 0
        if stamp != self._stamp:
            self._stamp, self._seen = stamp, time.monotonic()
        return time.monotonic() - self._seen

    def forgive(self) -> None:
        """Begins to count its silence anew, because it was the launcher that slept."""
        self._seen = time.monotonic()

    def give_up(self) -> None:
        """Ends it because it shows no sign of life; only SIGKILL ends a process that is stopped."""
        self.froze = True
        self.process.kill()

    def close(self) -> None:
        """Ends it if it still runs, and reads what it wrote."""
        if self.is_running:
            self.process.kill()
        self.process.wait()
        self._reader.join(timeout=_READ_SECONDS)
        assert self.process.stdin is not None
        self.process.stdin.close()

    @property
    def ending(self) -> str:
        """How it ended, and why."""
        code = self.process.returncode
        if self.froze:
            return f"{self.name} froze: it showed no sign of life, and was killed"
        if code < 0 and not self.output.gave_reason:
            return f"{self.name} was killed by {signal.Signals(-code).name}"  # whatever it wrote last was no reason
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"{self.name} {how}: {self.output.reason}"

    def _follow(self, log_path: Path) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            # Unbuffered, so that nothing is left over for the end that a full disk would not take.
            with contextlib.suppress(OSError), open(log_path, "wb", buffering=0) as log_file:
                for line in lines:
                    self.output.add(line)
                    log_file.write(line.encode())
            for line in lines:  # it says itself that the disk is full, and must not wait for a reader
                self.output.add(line)
