"""A side in a process of its own runs while it is asked, and at no other time."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from components.errors import DataError
from components.measuring.stopped_process import StoppedProcess

ROOT = Path(__file__).parents[2]

COUNTING = """
    import threading, time
    count = [0]
    def add():
        while True:
            count[0] += 1
            time.sleep(0.001)
    threading.Thread(target=add, daemon=True).start()
    answer_questions({"count": lambda: count[0]})
"""


def command(body):
    head = "from components.measuring.stopped_process import answer_questions\n"
    return [sys.executable, "-c", head + textwrap.dedent(body)]


@pytest.fixture(autouse=True)
def _our_code(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def state_of(pid):
    return re.search(r"\) (\w)", Path(f"/proc/{pid}/stat").read_text())[1]


def test_a_process_does_nothing_between_its_answers():
    with StoppedProcess("counting", command(COUNTING)) as side:
        before = side.ask("count")
        time.sleep(0.5)
        assert side.ask("count") - before < 100  # of the 500 that it would have counted to


def test_what_a_library_prints_is_no_answer():
    body = """
        def turn():
            print("loading ... 0.5")
            print("50 %", end="")
            return 0.1 + 0.2
        answer_questions({"turn": turn})
    """
    with StoppedProcess("talking", command(body)) as side:
        assert [side.ask("turn"), side.ask("turn")] == [0.1 + 0.2] * 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "import os\nprint('no room\\x1b[2J', flush=True)\nos._exit(3)",
            r"^the side 'x' ended with exit code 3 before it answered 'turn'; its last line: no room\\x1b\[2J$",
        ),
        (
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
            r"^the side 'x' ended by SIGKILL before it answered 'turn'$",
        ),
        (
            "import time\nanswer_questions({'turn': lambda: time.sleep(60)})",
            r"^the side 'x' did not answer 'turn' within 2 seconds; give it less work, or more time$",
        ),
        (
            """
            from components.errors import DataError
            def turn():
                raise DataError("no tiles under 'there'")
            answer_questions({"turn": turn})
            """,
            r"^the side 'x' failed: no tiles under 'there'$",
        ),
    ],
    ids=["exit", "signal", "hangs", "error"],
)
def test_a_process_that_gives_no_answer_is_told_in_one_line(body, message):
    with (
        StoppedProcess("the side 'x'", command(body), timeout_seconds=2 if "sleep" in body else 60) as side,
        pytest.raises(DataError, match=message),
    ):
        side.ask("turn")


def test_what_a_process_has_started_stops_and_ends_with_it():
    body = """
        import subprocess
        helper = subprocess.Popen(["sleep", "60"])
        answer_questions({"helper": lambda: helper.pid})
    """
    with StoppedProcess("with a helper", command(body)) as side:
        helper = side.ask("helper")
        deadline = time.monotonic() + 5
        while state_of(helper) != "T":
            assert time.monotonic() < deadline
            time.sleep(0.01)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{helper}").exists() and state_of(helper) != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_stopped_process_does_not_outlive_the_one_that_asks():
    body = """
        import sys, time
        from components.measuring.stopped_process import StoppedProcess
        code = "import os\\nfrom components.measuring.stopped_process import answer_questions\\n"
        code += "answer_questions({'pid': os.getpid})"
        side = StoppedProcess("x", [sys.executable, "-c", code])
        print(side.ask("pid"), flush=True)
        time.sleep(60)
    """
    asking = subprocess.Popen(command(body), stdout=subprocess.PIPE, text=True)
    pid = int(asking.stdout.readline())
    assert state_of(pid) in "TRS"
    asking.send_signal(signal.SIGKILL)
    asking.communicate()

    deadline = time.monotonic() + 5
    while os.path.exists(f"/proc/{pid}") and state_of(pid) != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)
