import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.train.peers.lifeline import Watchdog, _patience, show_life
from components.train.settings.worker_spec import EXIT_TRY_AGAIN

ROOT = Path(__file__).parents[3]


def test_a_living_process_touches_its_file(tmp_path: Path) -> None:
    heartbeat = tmp_path / "heartbeat"
    show_life(str(heartbeat))
    before = heartbeat.stat().st_mtime_ns
    time.sleep(1.5)
    assert heartbeat.stat().st_mtime_ns > before


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([], 100.0),  # the first step compiles
        ([0.05], 10.0),  # small: minutes would be too long
        ([4.0, 0.05, 0.05], 20.0),  # compiling may happen again
        ([50.0], 100.0),
    ],
)
def test_how_long_a_step_may_take_is_told_from_those_before_it(
    monkeypatch: pytest.MonkeyPatch, gaps: list[float], expected: float
) -> None:
    now = [1000.0]
    monkeypatch.setattr(Watchdog, "_watch", lambda self: None)
    monkeypatch.setattr("components.train.peers.lifeline.time.monotonic", lambda: now[0])
    watchdog = Watchdog(100.0, factor=5.0, least_seconds=10.0)
    for gap in gaps:
        now[0] += gap
        watchdog.pat()
    assert watchdog.limit == expected


def test_a_process_whose_work_no_longer_advances_ends_itself() -> None:
    script = (
        "import time\nfrom components.train.peers.lifeline import Watchdog\n"
        "dog = Watchdog(60.0, factor=2.0, least_seconds=0.5)\ndog.pat()\ntime.sleep(30)"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=20.0)
    assert ended.returncode == EXIT_TRY_AGAIN
    assert ended.stdout.startswith("error: no step for ")


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (math.inf, 300.0),  # a lock, which nobody else can get meanwhile
        (54.0, 34.0),  # a lease: a checkpoint is written before another launch may take over
        (25.0, 10.0),  # a launcher that is only slow must not be taken for one that has stopped
        (5.0, 5.0),
        (0.0, 0.0),
    ],
)
def test_how_long_a_launcher_may_be_silent(told: float, seconds: float) -> None:
    assert _patience(told, 300.0) == seconds


_CHECKPOINTS = "signal.signal(signal.SIGTERM, lambda *_: (print('checkpoint', flush=True), os._exit(143)))"
_IGNORES = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


def worker(on_sigterm: str, silent_seconds: float, work: str = "time.sleep(600)") -> subprocess.Popen:
    """Starts a process that follows this one, as a worker does its launcher."""
    script = (
        "import os, signal, sys, time\nfrom components.train.peers.lifeline import end_with_launcher\n"
        f"{on_sigterm}\nend_with_launcher({silent_seconds})\nprint('working', flush=True)\n{work}"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"working\n"
    return process


def tell(process: subprocess.Popen, *lines: str, every_seconds: float = 0.5) -> None:
    for line in lines:
        process.stdin.write(f"{line}\n".encode())
        time.sleep(every_seconds)


@pytest.mark.hostile
def test_a_worker_whose_launcher_falls_silent_writes_a_checkpoint_and_ends() -> None:
    with worker(_CHECKPOINTS, 3.0) as process:
        tell(process, *["inf"] * 10)  # longer than it may be silent
        assert process.poll() is None
        began = time.monotonic()
        assert process.wait(timeout=20.0) == 143
        assert 2.0 < time.monotonic() - began < 10.0
        said = process.stdout.read().decode()
    assert said == "train | the launcher has been silent for 3 s; ending after a checkpoint\ncheckpoint\n"


@pytest.mark.hostile
def test_a_worker_that_hangs_ends_when_its_launcher_no_longer_owns_the_training() -> None:
    with worker(_IGNORES, 300.0) as process:
        tell(process, "600", "3")
        began = time.monotonic()
        assert process.wait(timeout=20.0) == EXIT_TRY_AGAIN
        assert time.monotonic() - began < 10.0


@pytest.mark.hostile
def test_a_worker_ends_though_nobody_reads_what_it_says() -> None:
    with worker(_IGNORES, 300.0, "sys.stdout.write('x' * (1 << 20))") as process:
        tell(process, "2")
        assert process.wait(timeout=20.0) == EXIT_TRY_AGAIN


@pytest.mark.long
def test_a_worker_outlives_a_pause_of_both_and_what_it_cannot_read() -> None:
    with worker(_CHECKPOINTS, 3.0) as process:
        tell(process, "54", "nonsense", "", "-1", "1e9", "9" * 20)
        process.send_signal(signal.SIGSTOP)
        time.sleep(5.0)
        process.send_signal(signal.SIGCONT)
        tell(process, *["54"] * 4)
        assert process.poll() is None
        process.kill()


def test_a_worker_that_was_not_read_to_for_long_reads_all_of_it() -> None:
    with worker(_CHECKPOINTS, 300.0) as process:
        process.send_signal(signal.SIGSTOP)
        process.stdin.write(b"1234567\n" * 8000)
        process.send_signal(signal.SIGCONT)
        time.sleep(2.0)
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(timeout=10.0) == EXIT_TRY_AGAIN
