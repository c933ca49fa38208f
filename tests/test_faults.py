"""The fault runs as a command, in a quick form; `make faults` has the full one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_training_that_is_disturbed_at_a_random_moment_ends_with_the_weights_of_the_undisturbed_one(
    tmp_path: Path,
) -> None:
    size = ["--moments", "1", "--only", "kill", "--epochs", "10", "--num-tiles", "40"]
    place = ["--folder", str(tmp_path), "--output", str(tmp_path / "faults.json")]
    run = subprocess.run(
        [sys.executable, "-m", "faults", *size, *place], cwd=Path(__file__).parents[1], text=True, capture_output=True
    )
    assert run.returncode == 0, run.stdout
    assert "1 of 1 ended with the weights of the undisturbed run" in run.stdout
    (row,) = json.loads((tmp_path / "faults.json").read_text())["runs"]
    assert row["equal_weights"]
    assert row["what"] == "kill"
