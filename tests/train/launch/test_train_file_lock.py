"""One launch of a training at a time: the lock of a folder."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from components.errors import DataError
from components.train.launch.lease import LostLease
from components.train.launch.one_at_a_time import hold

ROOT = Path(__file__).parents[3]
_HOLDS = """
import sys, time
from components.train.launch.one_at_a_time import hold
with hold(sys.argv[1], print):
    print("held", flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def holder_in(folder: Path):
    process = subprocess.Popen([sys.executable, "-c", _HOLDS, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def test_a_second_launch_waits_and_a_killed_one_waits_for_nobody(tmp_path: Path) -> None:
    said: list[str] = []
    entered = threading.Event()

    def second() -> None:
        with hold(str(tmp_path), said.append):
            entered.set()

    with holder_in(tmp_path) as holder:
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.5)
        assert said[0].startswith(f"process {holder.pid} on ")
        assert said[0].endswith("is already running this training; waiting for it to end")
    assert entered.wait(5.0)
    thread.join()


@pytest.mark.hostile
def test_a_lock_file_of_garbage_keeps_nobody_from_training(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_bytes(b"\xff\xfe\x1b[2J" * 100_000)
    with hold(str(tmp_path), pytest.fail):
        assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} on ")


@pytest.mark.hostile
def test_garbage_in_the_lock_of_another_is_told_in_short(tmp_path: Path) -> None:
    said: list[str] = []

    def second() -> None:
        with hold(str(tmp_path), said.append):
            pass

    with holder_in(tmp_path):
        (tmp_path / ".lock").write_bytes(b"\xff\xfe" * 100_000)
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.5)
    thread.join()
    assert len(said) == 1
    assert len(said[0]) < 500


@pytest.mark.hostile
@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_what_is_no_lock_file_is_named_and_left_alone(tmp_path: Path, kind: str) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    place = tmp_path / "training" / ".lock"
    place.parent.mkdir()
    {"link": lambda: place.symlink_to(precious), "folder": place.mkdir, "pipe": lambda: os.mkfifo(place)}[kind]()
    with (
        pytest.raises(DataError, match=r"cannot lock '.*/\.lock': .*; remove it and run again$"),
        hold(str(place.parent), pytest.fail),
    ):
        pytest.fail("held")
    assert precious.read_text() == "mine"


def test_whoever_waited_for_a_lock_that_was_removed_meanwhile_takes_the_new_one(tmp_path: Path) -> None:
    entered = threading.Event()

    def second() -> None:
        with hold(str(tmp_path), lambda text: None):
            entered.set()

    with hold(str(tmp_path), pytest.fail) as held:
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.3)
        (tmp_path / ".lock").unlink()
        with pytest.raises(LostLease, match="was removed"):
            held.check()
    thread.join()
    assert entered.is_set()
    assert (tmp_path / ".lock").read_text().startswith("process ")
