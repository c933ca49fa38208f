"""A program of an experiment ends with the study that has started it, whatever that ends by."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.study.experiments.start import program_arguments

ROOT = Path(__file__).parents[3]
STUDY = """
import subprocess, sys
from components.study.experiments.start import program_arguments
subprocess.run([sys.executable, *program_arguments("endless_training")])
"""


@pytest.fixture
def environment(tmp_path):
    (tmp_path / "endless_training.py").write_text(
        "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\nprint('trained')\n"
    )
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_training_that_nobody_waits_for_any_more_ends(environment, number):
    with subprocess.Popen([sys.executable, "-c", STUDY], stdout=subprocess.PIPE, text=True, env=environment) as study:
        training = int(study.stdout.readline())
        study.send_signal(number)
        study.wait(10)
        deadline = time.monotonic() + 5
        while Path(f"/proc/{training}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_training_whose_study_ended_before_it_began_does_not_begin(environment):
    command = [sys.executable, *program_arguments("endless_training")]
    # Its parent is not who made the command: that one has ended meanwhile.
    script = f"import subprocess, sys; sys.exit(subprocess.run({command!r}).returncode)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=30)

    assert (done.stdout, done.stderr) == ("", "")
