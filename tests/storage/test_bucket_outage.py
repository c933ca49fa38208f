"""A bucket that does not answer ends a step or a command in one line and the exit code that says: try again."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import EXIT_TRY_AGAIN

ROOT = Path(__file__).parents[2]
# The client's patience is two minutes; a test has less.
IMPATIENT = """
from google.cloud.storage.retry import DEFAULT_RETRY
DEFAULT_RETRY._timeout = DEFAULT_RETRY._deadline = 1.0
"""
MIRROR = (
    "import sys\nfrom pipeline.cli import main\nsys.argv = ['agrivision', 'mirror', {source!r}, {target!r}]\nmain()\n"
)
INGEST = """
from components.ingest.inventory import build_inventory
from components.ingest.settings import IngestSettings
from components.progress import step_log
with step_log("ingest") as log:
    build_inventory({source!r}, {target!r}, IngestSettings(num_workers=2), log)
"""
VERIFY = (
    "import sys\nfrom pipeline.cli import main\n"
    "sys.argv = ['agrivision', 'verify', {source!r} + '/datasets/x/manifest.json']\nmain()\n"
)


@pytest.fixture
def nobody() -> str:
    """The address of a port of this machine where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


@pytest.mark.parametrize("code", [MIRROR, INGEST, VERIFY], ids=["mirror", "ingest", "verify"])
def test_a_bucket_that_does_not_answer_is_one_line_and_an_exit_code(tmp_path: Path, nobody: str, code: str) -> None:
    code = IMPATIENT + code.format(source="gs://bucket/tiles", target=str(tmp_path / "target"))
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "STORAGE_EMULATOR_HOST": nobody},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert run.returncode == EXIT_TRY_AGAIN == 75, run.stderr
    told = [line for line in (run.stdout + run.stderr).splitlines() if "cannot be reached" in line and line[:2] != "> "]
    assert len(told) == 1
    assert "'gs://bucket/tiles" in told[0]
    assert "run again later" in told[0]
    assert "Traceback" not in run.stdout + run.stderr
