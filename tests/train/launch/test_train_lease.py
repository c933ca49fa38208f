import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from components.train.launch import lease
from components.train.launch.lease import LostLease, hold

ROOT = Path(__file__).parents[3]
_HOLDS = """
import sys, time
from components.train.launch.lease import hold
with hold(sys.argv[1], print):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_launch_waits_and_a_killed_one_waits_for_nobody(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDS, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        said: list[str] = []
        entered = threading.Event()

        def second() -> None:
            with hold(str(tmp_path), said.append):
                entered.set()

        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.5)
        assert said[0].startswith(f"process {holder.pid} on ")
        assert said[0].endswith("is already running this training; waiting for it to end")
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert entered.wait(5.0)
    thread.join()


def leased(uri: Path, who: str, said: list[str], seconds: float = 0.8):
    """A lease as on a bucket; compare-and-swap works alike in a folder."""
    return lease._leased(str(uri), who, said.append, seconds)


def test_a_lease_is_kept_for_as_long_as_it_is_held_and_given_back_at_the_end(tmp_path: Path) -> None:
    said: list[str] = []
    order: list[str] = []

    def second() -> None:
        with leased(tmp_path / "lease.json", "second", said):
            order.append("second")

    with leased(tmp_path / "lease.json", "first", []) as check:
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(2.0)  # more than twice the lease
        check()
        order.append("first")
    started = time.monotonic()
    thread.join()
    assert order == ["first", "second"]
    assert time.monotonic() - started < 0.7, "not after the lease has run out, but at once"
    assert said == ["first is already running this training; waiting for it to end"]


def test_a_lease_that_nobody_renews_is_taken_over_and_its_holder_learns_of_it(tmp_path: Path) -> None:
    uri = tmp_path / "lease.json"
    uri.write_text(json.dumps({"holder": "a process that is gone", "seconds": 0.5, "written": "x"}))
    started = time.monotonic()
    with leased(uri, "second", []) as check:
        assert 0.5 <= time.monotonic() - started < 3.0
        check()
        uri.write_text(json.dumps({"holder": "third", "seconds": 60.0, "written": "y"}))
        time.sleep(0.6)
        with pytest.raises(LostLease, match="another launch may have taken over"):
            check()
    assert json.loads(uri.read_text())["holder"] == "third", "who has lost it does not give it back"
