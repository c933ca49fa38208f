import os
import subprocess
import sys
from pathlib import Path

import pytest
from two_workers import lines_of_two_workers

from components.train.peers.agreement import describe_difference

SCRIPT = Path(__file__).parents[2] / "support" / "training" / "diverged_worker.py"


@pytest.mark.parametrize(
    ("rows", "num_local", "expected"),
    [
        ([(5, 77)], 1, ""),
        ([(5, 77), (5, 77), (5, 77)], 1, ""),
        (
            [(5, 77), (5, 77), (5, 255)],
            1,
            "worker 2 has different weights: step 5 with weights 000000ff, where worker 0 has",
        ),
        (
            [(5, 1), (5, 77), (5, 77)],
            1,
            "worker 0 has different weights: step 5 with weights 00000001, where worker 1 has",
        ),
        ([(5, 77), (6, 77)], 1, "worker 1 is at step 6, not 5: "),  # the chief is right where there are two opinions
        ([(5, 77), (5, 1), (4, 2), (5, 77)], 1, "(and 1 more replicas)"),
        (
            [(5, 77), (5, 77), (5, 77), (5, -1)],
            2,
            "worker 1, replica 1, has different weights: step 5 with weights ffffffff",
        ),
    ],
)
def test_the_replica_that_differs_is_named(rows: list, num_local: int, expected: str) -> None:
    difference = describe_difference(rows, num_local)
    assert expected in difference
    assert bool(expected) == bool(difference)
    assert "\n" not in difference


@pytest.mark.long
def test_a_planted_divergence_is_found_by_all_workers_which_name_the_one() -> None:
    outputs = lines_of_two_workers(SCRIPT)
    for lines in outputs:
        equal, weight, step = lines
        assert equal == "step 7: equal"
        assert weight.startswith("step 8: worker 1 has different weights: step 8 with weights ")
        assert step.startswith("step 9: worker 1 is at step 10, not 9: ")


@pytest.mark.long
def test_a_planted_divergence_of_replicas_in_one_process_is_found() -> None:
    lines = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert lines[0] == "step 7: equal"
    assert lines[1].startswith("step 8: worker 0, replica 1, has different weights: ")
