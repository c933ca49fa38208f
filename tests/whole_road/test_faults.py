"""The fault runs as a command, in a quick form; `make faults` has the full one."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from faults.rows import Judge, all_steps, same_weights
from faults.training import Ending


@pytest.mark.long
def test_a_training_that_is_disturbed_at_a_random_moment_ends_with_the_weights_of_the_undisturbed_one(
    tmp_path: Path,
) -> None:
    kind = ["--moments", "1", "--only", "kill", "--strategy", "multi_worker_mirrored"]
    size = ["--epochs", "10", "--num-tiles", "40"]
    place = ["--folder", str(tmp_path), "--output", str(tmp_path / "faults.json")]
    run = subprocess.run(
        [sys.executable, "-m", "faults", *kind, *size, *place],
        cwd=Path(__file__).parents[2],
        text=True,
        capture_output=True,
    )
    assert run.returncode == 0, run.stdout
    assert "1 of 1 runs ended as they must" in run.stdout
    (row,) = json.loads((tmp_path / "faults.json").read_text())["multi_worker_mirrored"]["runs"]
    assert (row["what"], row["came_to"], row["as_expected"]) == ("kill", "equal weights", True)


ENDING = Ending(exit_code=0, attempts=[], num_restarts=0, seconds=9.0, num_steps=40, weights="a1")


@pytest.mark.parametrize(
    ("judge", "changes", "expected"),
    [
        (same_weights, {}, ("equal weights", True)),
        (same_weights, {"weights": "b2"}, ("OTHER weights", False)),
        (same_weights, {"exit_code": 75}, ("OTHER weights", False)),
        (all_steps, {"weights": "b2"}, ("all 40 steps", True)),
        (all_steps, {"num_steps": 39}, ("39 STEPS", False)),
        (all_steps, {"weights": ""}, ("40 STEPS", False)),
        (all_steps, {"exit_code": 75}, ("40 STEPS", False)),
    ],
)
def test_a_run_that_came_to_something_else_is_told(judge: Judge, changes: dict, expected: tuple[str, bool]) -> None:
    assert judge(dataclasses.replace(ENDING, **changes), ENDING) == expected
