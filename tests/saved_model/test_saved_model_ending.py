"""A process ends with the one that asks it, even amid a call that never returns to Python."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A pattern that backtracks for longer than anybody lives, and lets no other thread run meanwhile.
STUCK = """
import re, sys
from components.saved_model.confined import end_with_asker
print("ready", flush=True)
{before}
end_with_asker(0)
print("goes on", flush=True)
re.match(r"(a+)+$", "a" * 200 + "b")
"""


def stuck(before: str = "") -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", STUCK.format(before=before)]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)


def test_it_ends_when_the_pipe_from_the_asker_is_closed() -> None:
    with stuck() as process:
        assert [process.stdout.readline() for _ in range(2)] == ["ready\n", "goes on\n"]
        with pytest.raises(subprocess.TimeoutExpired, match="timed out after 1 seconds"):
            process.wait(1)
        process.stdin.close()
        assert process.wait(10) == -signal.SIGIO


def test_it_ends_if_the_pipe_was_closed_before() -> None:
    with stuck("import time; time.sleep(1)") as process:
        assert process.stdout.readline() == "ready\n"
        process.stdin.close()
        assert process.wait(10) in (-signal.SIGKILL, -signal.SIGIO)
        assert process.stdout.read() == ""
