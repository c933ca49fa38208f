import time
from pathlib import Path

from components.train.launch.local.process import WorkerProcess


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
