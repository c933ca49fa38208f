"""How many steps a call takes, by a clock that is set by hand."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from train_fixtures import free_address, write_data

from components.train.loop.pace import CHOOSES_ITSELF, Pace, PaceLimits
from components.train.loop.step_clock import LoopTime, StepClock

SUPPORT = Path(__file__).parents[2] / "support"
LIMITS = PaceLimits(measured_steps=3)
COMPILED = LoopTime(0.0, 2.0, 1)  # pays for itself in 1000 steps that save 2 ms each
MANY_LEFT = 1000


def lengths(
    num_calls: int,
    step_seconds: float,
    *,
    steps_left: int = MANY_LEFT,
    batch_bytes: int = 1000,
    steps_per_call: int = CHOOSES_ITSELF,
    waiting: float = 0.0,
) -> list[int]:
    """Returns how many steps each call of an epoch takes, of a chief and a worker that hears it."""
    chief, worker = (Pace(steps_per_call, is_chief, LIMITS) for is_chief in (True, False))
    clock = StepClock()
    taken = []
    for pace in (chief, worker):
        pace.epoch_begins(compiles=True)
    clock.compiling = COMPILED
    for _ in range(num_calls):
        group = [SimpleNamespace(num_bytes=batch_bytes)] * chief.steps
        compiles = [pace.compiles(len(group)) for pace in (chief, worker)]
        assert compiles[0] == compiles[1]
        sum_of_wishes = float(sum(pace.wanted(group, clock, steps_left) for pace in (chief, worker)))  # type: ignore[arg-type]
        clock.last = None if compiles[0] else LoopTime(waiting * len(group), step_seconds * len(group), len(group))
        for pace in (chief, worker):
            pace.heard(sum_of_wishes)
        taken.append(len(group))
        assert worker.steps == chief.steps
    return taken


# The first call compiles or has nobody to compare with, and what is wanted in a call holds from the next one on.
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"step_seconds": 0.004}, [1, 1, 1, 1, 2, 4, 4, 8, 16, 32, 32]),
        ({"step_seconds": 0.015}, [1, 1, 1, 1, 2, 4, 4, 8, 13, 13, 13]),  # 13 of them take 195 ms
        ({"step_seconds": 0.021}, [1] * 11),  # long
        ({"step_seconds": 0.004, "steps_left": MANY_LEFT - 1}, [1] * 11),  # compiling would take longer than it saves
        ({"step_seconds": 0.004, "batch_bytes": 20 << 20}, [1, 1, 1, 1, 2, 3, 3, 3, 3, 3, 3]),
        ({"step_seconds": 0.004, "batch_bytes": 65 << 20}, [1] * 11),
        ({"step_seconds": 0.004, "waiting": 0.036}, [1] * 11),  # input takes longer, and hides the host's part
        ({"step_seconds": 0.004, "steps_per_call": 10}, [10] * 11),
        ({"step_seconds": 9.0, "steps_per_call": 3}, [3] * 11),
    ],
)
def test_a_call_takes_as_many_steps_as_fit_into_a_fifth_of_a_second(
    settings: dict[str, float], expected: list[int]
) -> None:
    assert lengths(11, **settings) == expected  # type: ignore[arg-type]


def test_a_call_takes_fewer_steps_as_soon_as_they_take_longer() -> None:
    pace, clock = Pace(CHOOSES_ITSELF, True, LIMITS), StepClock()
    group = [SimpleNamespace(num_bytes=1)] * 32
    clock.last = LoopTime(0.0, 0.004, 1)
    wanted = [pace.wanted(group, clock, MANY_LEFT) for _ in range(3)]  # type: ignore[arg-type]
    assert wanted == [1, 1, 32]
    for seconds, expected in [(0.16, 32), (0.64, 10), (4.0, 1), (40.0, 1)]:
        clock.last = LoopTime(0.0, seconds, 32)
        assert pace.wanted(group, clock, MANY_LEFT) == expected  # type: ignore[arg-type]


def test_an_epoch_begins_with_a_single_step_and_a_new_network_with_measuring() -> None:
    pace, clock = Pace(CHOOSES_ITSELF, True, LIMITS), StepClock()
    clock.last = LoopTime(0.0, 0.004, 1)
    group = [SimpleNamespace(num_bytes=1)]
    for _ in range(3):
        pace.heard(pace.wanted(group, clock, MANY_LEFT))  # type: ignore[arg-type]
    assert (pace.steps, pace.compiles(2), pace.compiles(2)) == (2, True, False)
    pace.epoch_begins(compiles=False)
    assert (pace.steps, pace.wanted(group, clock, MANY_LEFT), pace.compiles(2)) == (1, 2, False)  # type: ignore[arg-type]
    pace.epoch_begins(compiles=True)
    assert (pace.steps, pace.wanted(group, clock, MANY_LEFT), pace.compiles(2)) == (1, 1, True)  # type: ignore[arg-type]


def trained_by_two(root: Path, steps_per_call: int) -> list[list]:
    """Returns of each of two workers how many steps its calls had, and the digest of its weights."""
    root.mkdir()
    write_data(root, num_train=64)
    addresses = [free_address(), free_address()]
    path = os.pathsep.join([*sys.path, str(SUPPORT / "training"), str(SUPPORT / "sources")])
    processes = []
    for index in range(2):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        processes.append(
            subprocess.Popen(
                [sys.executable, str(SUPPORT / "training" / "paced_worker.py"), str(root), str(steps_per_call)],
                env={**os.environ, "TF_CONFIG": json.dumps(task), "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": path},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    return [json.loads(process.communicate(timeout=600)[0].splitlines()[-1]) for process in processes]


@pytest.mark.long
def test_two_workers_take_calls_of_equal_length_and_come_to_the_weights_of_single_steps(tmp_path: Path) -> None:
    (lengths, digest), other = trained_by_two(tmp_path / "chosen", CHOOSES_ITSELF)
    assert other == [lengths, digest]
    assert sum(lengths) == 16
    assert max(lengths) > 1
    assert trained_by_two(tmp_path / "single", 1) == [[[1] * 16, digest]] * 2
