"""One study at a time in a folder, and one that was killed loses nothing but what it had not finished."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fake_experiments import fake_experiments, study_in
from study_findings import MACHINE

from components.errors import SettingsError
from components.study.running.one_study import only_study_in, remove_unfinished
from components.study.running.run_study import run_study

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/support/study'}"}
ENDLESS = """
import sys, time
from pathlib import Path
from fake_experiments import fake_experiments, study_in
from study_findings import MACHINE
from components.study.experiments.experiment import Experiment
from components.study.running.one_study import only_study_in
from components.study.running.run_study import run_study

def endless(bench):
    (bench.folder / ".turn-1").mkdir()
    print("measures", flush=True)
    time.sleep(600)

folder, (scale, _) = Path(sys.argv[1]), fake_experiments(1)
with only_study_in(folder):
    run_study(study_in(folder, MACHINE, []), [scale, Experiment("epochs", "E", endless)])
"""


def test_a_study_that_was_killed_lets_the_next_go_on_where_it_was(tmp_path):
    command = [sys.executable, "-c", ENDLESS, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stdout.readline() == "measures\n"
        with pytest.raises(SettingsError, match="where another study runs"), only_study_in(tmp_path):
            pass
        process.send_signal(signal.SIGKILL)
    study = study_in(tmp_path, MACHINE, lines := [])
    with only_study_in(tmp_path):
        remove_unfinished(study.folder)
        run_study(study, fake_experiments(2))

    assert lines[0] == "scale (1 of 2): kept from an earlier run"
    assert list((study.folder / "epochs").iterdir()) == []


def test_a_second_study_in_a_folder_says_so_in_a_line_and_changes_nothing(tmp_path):
    (tmp_path / "study.json").write_text("of the first")
    command = [sys.executable, "-m", "agrivision_kfp", "study", "--only", "devices", "--out", str(tmp_path)]
    with only_study_in(tmp_path):
        done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "another study runs" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == [".study.lock", "study.json"]
    assert (tmp_path / "study.json").read_text() == "of the first"


@pytest.mark.parametrize("below", ["file", "file/below"])
def test_a_folder_where_nothing_can_be_written_is_refused(tmp_path, below):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"^out is "), only_study_in(tmp_path / below):
        pass


def test_the_last_line_names_both_files_whatever_the_folder_is_called(tmp_path):
    command = [sys.executable, "-m", "agrivision_kfp", "study", "--only", "devices", "--out", "a\nb"]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == r"a\nb/study.json, a\nb/study.html"
