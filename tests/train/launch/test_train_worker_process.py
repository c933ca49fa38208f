import sys
import time
from pathlib import Path

import pytest

from components.errors import EXIT_DATA, DataError
from components.train.launch.local.process import WorkerProcess
from components.train.launch.worker_output import WorkerOutput
from components.train.worker import main


def test_a_log_that_finds_no_room_does_not_hide_why_its_worker_ended(tmp_path: Path) -> None:
    missing = tmp_path / "spec.json"
    worker = WorkerProcess(0, "worker 0", missing, {}, Path("/dev/full"), tmp_path / "heartbeat")
    try:
        deadline = time.monotonic() + 60.0
        while worker.is_running and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        worker.close()
    assert worker.ending.startswith(f"worker 0 ended with exit code 2: no spec '{missing}'")


@pytest.mark.hostile
def test_what_a_tile_is_called_cannot_steer_the_terminal_that_shows_a_workers_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(spec_uri: str) -> int:
        raise DataError("the loss is nan; its tiles are a\x1b[2J, b\u202e\udce9")

    monkeypatch.setattr(sys, "argv", ["components.train", "--spec", "spec.json"])
    monkeypatch.setattr(main, "_work", fail)
    assert main.main() == EXIT_DATA
    said = capsys.readouterr().out
    assert said == "error: the loss is nan; its tiles are a\\x1b[2J, b\\u202e\\udce9\n"
    # A pod that was taken over may write anything.
    output = WorkerOutput(is_chief=True)
    output.add("train | epoch 1/2 \x1b[2J\n")
    assert capsys.readouterr().out == "train | epoch 1/2 \\x1b[2J\n"
