"""Runs a function in a process of its own that the operating system bounds in memory and time."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

WITHOUT_TENSORFLOW_MB = 512
# Importing TensorFlow alone takes some 400 MB of data.
WITH_TENSORFLOW_MB = 2048


def run_bounded(call: str, *args: object, megabytes: int = WITHOUT_TENSORFLOW_MB, seconds: int = 60) -> Any:
    """Calls "module.function" of tests/support with JSON arguments in a child process; returns its result, from JSON.

    The child may take so much memory (RLIMIT_DATA, which counts all private memory), so much processor time, and twice
    that on the clock. A traceback on its standard error fails the test.
    """
    if sys.platform != "linux":
        import pytest  # the child imports this file, too, and needs none

        pytest.skip("the bounds, and the measure of memory, are Linux's")
    module, function = call.split(".")
    code = f"import json, sys, {module}; print(json.dumps({module}.{function}(*json.load(sys.stdin))))"

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes * 2**20,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OPENBLAS_NUM_THREADS": "1",  # each thread takes memory, and none is needed
    }
    process = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(args),
        capture_output=True,
        text=True,
        env=environment,
        preexec_fn=bound,  # the child is bounded before it starts
        timeout=2 * seconds,
        check=False,
    )
    assert "Traceback" not in process.stderr, process.stderr[-3000:]
    assert process.returncode == 0, f"exit code {process.returncode}: {process.stderr[-3000:]}"
    return json.loads(process.stdout.splitlines()[-1])


class Cost:
    """What a stretch of code takes, in the process that runs it.

    Attributes:
      seconds: Processor time, so that a busy machine changes nothing.
      megabytes: The most memory at once above what was there before.
    """

    def __enter__(self) -> "Cost":
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        self._before = peak_mb()
        self._start = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.process_time() - self._start
        self.megabytes = peak_mb() - self._before


def peak_mb() -> float:
    """Returns the most memory that this process has had; getrusage would count what its parent had before it began."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(peak) / 1024
