import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.train.peers.lifeline import Watchdog, show_life
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
