"""A run ends with whoever watches it, and is never left half watched."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHILD = """
import subprocess, sys, time
from pipeline.local.run_local import end_with_stdin
end_with_stdin()
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(grandchild.pid, sys.stdin.read() == "", flush=True)
time.sleep(600)
"""
WATCHER = f"""
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell has put into the background
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
  start_new_session=True)
print(child.pid, child.stdout.readline().strip(), flush=True)
child.wait()
"""


def _is_running(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_however_the_watcher_ends_no_process_of_the_run_stays(signal_):
    with subprocess.Popen([sys.executable, "-c", WATCHER], stdout=subprocess.PIPE, text=True) as watcher:
        child, grandchild, empty_input = watcher.stdout.readline().split()
        assert empty_input == "True"  # a step must not take the watcher's pipe for its own input
        pids = [int(child), int(grandchild)]
        assert all(map(_is_running, pids))

        os.kill(watcher.pid, signal_)
        watcher.wait(timeout=10)

    deadline = time.monotonic() + 10
    while any(map(_is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_is_running, pids))
